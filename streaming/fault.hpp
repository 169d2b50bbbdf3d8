/// The world failed. Thrown by the adapters; caught only in the three loops and in main.
#pragma once

#include <stdexcept>
#include <string>

namespace penstock {

class Fault : public std::runtime_error {
 public:
  enum class Kind {
    transient,  ///< ask again later: connection, resources, locks
    fatal,      ///< asking again cannot help; the message says what to change
    refused,    ///< the other side does not let us in (password, certificate, mechanism): as fatal, but who was let in before
                ///< asks again, since that may be on its way to being changed
    displaced,  ///< the consumer's place in its group was given away: this one is done for, a new one may go on
    data,       ///< the database refused the data itself (SQLSTATE class 22, 23, or 53400 of TimescaleDB)
  };
  Fault(Kind kind, std::string const& message) : std::runtime_error{message}, kind_{kind} {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

/// Another process has taken over what this one was doing: drop what is in hand and look again at who owns it.
class Fenced : public Fault {
 public:
  explicit Fenced(std::string const& message) : Fault{Kind::transient, message} {}
};

/// Wrong flags or configuration: exit code 2. The message names the key, what was found and what is allowed.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace penstock
