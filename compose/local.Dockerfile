# Broker, database and Prometheus from Debian's packages and Maven Central, for machines that reach no image registry.
# DEBIAN may be an image made by hand: mmdebstrap --variant=minbase trixie - | docker import - debian:trixie
# The secret `ca` (optional) is a file of certificates to trust when fetching from Maven Central.
ARG DEBIAN=debian:trixie-slim

FROM ${DEBIAN} AS base
ARG MIRROR=http://deb.debian.org/debian
RUN for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do \
      [ ! -f "$file" ] || sed -i "s|http://deb.debian.org/debian\([ /]*\)$|$MIRROR\1|; s|http://deb.debian.org/debian |$MIRROR |" "$file"; done; \
    rm -f /etc/apt/apt.conf.d/docker-clean; echo 'APT::Install-Recommends "false";' > /etc/apt/apt.conf.d/penstock

FROM base AS jars
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    apt-get update && apt-get install -y ca-certificates maven openjdk-21-jre-headless openssl
COPY scripts/lib/kafka.sh scripts/lib/ports.sh /penstock/scripts/lib/
COPY test/kafka/broker/pom.xml /penstock/test/kafka/broker/
ARG MAVEN=https://repo1.maven.org/maven2
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt --mount=type=cache,target=/root/.m2/repository \
    printf '<settings><mirrors><mirror><id>m</id><mirrorOf>central</mirrorOf><url>%s</url></mirror></mirrors></settings>' "$MAVEN" > /root/.m2/settings.xml && \
    bash -c '. /penstock/scripts/lib/kafka.sh && kafka_fetch && mv "$kafka_cache/lib" /kafka'

FROM base AS broker
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    apt-get update && apt-get install -y openjdk-21-jre-headless && useradd --system --uid 902 --user-group kafka && \
    install -d -o kafka -g kafka /var/lib/kafka
COPY --from=jars /kafka /usr/share/kafka
COPY compose/local/broker /usr/local/bin/
USER kafka
CMD ["broker"]

FROM base AS database
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf && \
    apt-get update && apt-get install -y postgresql-17 postgresql-17-timescaledb && install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data
COPY compose/local/database /usr/local/bin/
USER postgres
CMD ["database"]

FROM base AS prometheus
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    apt-get update && apt-get install -y prometheus && install -d -o prometheus -g prometheus /prometheus
USER prometheus
ENTRYPOINT ["prometheus"]

FROM base AS node
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    apt-get update && apt-get install -y prometheus-node-exporter
USER prometheus
ENTRYPOINT ["prometheus-node-exporter"]
