/// The least that a librdkafka program needs, for limits to measure against. Dies on any error.
#pragma once

#include <librdkafka/rdkafka.h>

#pragma GCC diagnostic ignored "-Wold-style-cast"  // RD_KAFKA_V_… are made of them.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <utility>

namespace bare {

[[noreturn]] inline void die(std::string const& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

inline rd_kafka_t* client(rd_kafka_type_t type, std::initializer_list<std::pair<char const*, std::string>> properties) {
  char error[512];
  auto* conf = rd_kafka_conf_new();
  for (auto const& [name, value] : properties)
    if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) die(error);
  auto* handle = rd_kafka_new(type, conf, error, sizeof error);
  if (handle == nullptr) die(error);
  return handle;
}

inline rd_kafka_t* producer(std::string const& brokers) {
  return client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers},
                                    {"enable.idempotence", "true"},
                                    {"compression.codec", "lz4"},
                                    {"linger.ms", "5"},
                                    {"queue.buffering.max.messages", "1000000"},
                                    {"queue.buffering.max.kbytes", "1048576"}});
}

inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace bare
