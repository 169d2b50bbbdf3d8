#include "streaming/kafka/way_in.hpp"

namespace penstock::kafka {
namespace {

/// By OpenSSL's X509_V_ERR_… numbers, which never change.
std::string certificate_text(int error) {
  switch (error) {
    case 9: return "the broker's certificate is not valid yet: look at the clocks of both machines";
    case 10:
      return "the broker's certificate, or the one that signed it, has expired: renew it at the broker, or in kafka.tls_ca_file";
    case 2:
    case 18:
    case 19:
    case 20:
    case 21: return "nobody we trust has signed the broker's certificate: set kafka.tls_ca_file to the certificate of its CA";
    case 62:
    case 64:
      return "the broker's certificate is for another host: use a name of the certificate in kafka.brokers and in the broker's "
             "advertised.listeners";
    default:
      return "the broker's certificate is not accepted (X509 error " + std::to_string(error) +
             "): renew it at the broker, or change kafka.tls_ca_file";
  }
}

}  // namespace

std::string refusal_text(rd_kafka_resp_err_t error, std::string_view reason, int certificate_error) {
  auto const why = plain(reason);
  if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
    return why +
           (reason.contains("mechanism handshake failed")
                ? ": set kafka.sasl_mechanism to one that the broker offers"
                : ": set kafka.sasl_username and kafka.sasl_password (PENSTOCK_KAFKA_SASL_PASSWORD, kafka.sasl_password_file)");
  if (reason.contains("certificate verify failed") && certificate_error != 0) return certificate_text(certificate_error);
  if (reason.contains("alert"))
    return why + ": set kafka.tls_certificate_file and kafka.tls_key_file to ones that the broker trusts";
  if (reason.contains("wrong version number")) return why + ": set kafka.tls = false, or a port that speaks TLS in kafka.brokers";
  return {};
}

std::string_view silence_advice(std::string_view reason) {
  if (reason.contains("PLAINTEXT")) return "where it does not speak TLS set kafka.tls = false";
  if (reason.contains("ApiVersion")) return "where it speaks TLS set kafka.tls = true";
  // librdkafka says nothing of a connection that is closed before it was of use.
  if (reason.contains("brokers are down"))
    return "it hangs up: where it speaks TLS set kafka.tls = true, where it asks who we are kafka.sasl_mechanism";
  // A listener without TLS that is slower to hang up than the handshake is to be noticed leaves no better word.
  if (reason.contains("isconnected"))
    return "it hangs up: where it asks who we are set kafka.sasl_mechanism, where it does not speak TLS set kafka.tls = false";
  return {};
}

std::string plain(std::string_view reason) {
  if (auto const where = reason.find("/bootstrap: "); where != std::string_view::npos) reason.remove_prefix(where + 12);
  return std::string{reason.substr(0, reason.find(" (after "))};
}

}  // namespace penstock::kafka
