#include "streaming/kafka/outbox.hpp"

namespace penstock::kafka {
namespace {

class KafkaProducer final : public Producer {
 public:
  KafkaProducer(Connection const& connection, ProducerOptions const& options)
      : outbox_{connection, {.queue_bytes_max = options.queue_bytes_max, .linger = options.linger}, options.pacing} {}

  bool produce(std::string_view topic, Record const& record) override { return outbox_.offer(topic, view(record)); }

  void poll(std::chrono::milliseconds wait) override {
    outbox_.serve(wait);
    raise();
  }

  void flush(std::chrono::milliseconds limit) override {
    auto const done = outbox_.flush(limit);
    raise();
    if (!done)
      throw Fault{Fault::Kind::transient, std::to_string(outbox_.queued_records()) + " records are not acknowledged after " +
                                              std::to_string(limit.count()) + " ms" +
                                              (outbox_.last_error().empty() ? "" : ": " + outbox_.last_error())};
  }

  std::size_t queued_records() const override { return outbox_.queued_records(); }
  std::int64_t written_total() const override { return outbox_.written_total(); }
  std::int64_t settled_total() const override { return outbox_.settled_total(); }

 private:
  // What can be tried again librdkafka does without end; a record that failed is gone, and asking again would not bring it back.
  void raise() try { outbox_.raise(); } catch (Fault const& fault) {
    throw Fault{Fault::Kind::fatal, fault.what()};
  }

  Outbox outbox_;
};

}  // namespace

std::unique_ptr<Producer> make_producer(Connection const& connection, ProducerOptions const& options) {
  return std::make_unique<KafkaProducer>(connection, options);
}

}  // namespace penstock::kafka
