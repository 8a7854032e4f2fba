// The bytes of a connection, as they come, to requests: heads by Boost.Beast's parser, bodies by lengths or chunks
// (chunked_body.h), both behind a policy of ours, stricter than the standard allows to be lenient, so that nobody before us can have read the same
// bytes otherwise. No sockets and no clock: a pure function of the bytes, however they are cut.
//
// Refused, beside what Beast refuses: any bare LF or CR, folded lines, control bytes, a target that is not ASCII and
// in origin form, versions other than 1.0 and 1.1, not exactly one Host, a second Content-Length, Transfer-Encoding, Authorization or
// Expect, a length that is not decimal digits, a transfer coding other than exactly "chunked", one together with a length, a body in 1.0.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"

namespace ponder::net {

struct ReaderLimits {
  size_t max_head_bytes = 16 << 10;  // request line and fields
  size_t max_fields = 100;
  size_t max_target_bytes = 2 << 10;
  size_t max_body_bytes = 8 << 20;
};

class RequestReader {
 public:
  enum class State {
    kHead,     // of the next request; at its very beginning while began() is false
    kBody,     // the head is there and the body is not
    kDone,     // take() it; bytes that came behind it are kept for the next
    kRefused,  // see status() and problem(); the connection can carry nothing more
  };

  explicit RequestReader(const ReaderLimits& limits = {});
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Takes further bytes; while a request is done and not taken they are only kept.
  State push(std::string_view bytes);
  State state() const;
  bool began() const;             // a byte of the request, or of the next one, is there
  size_t num_kept_bytes() const;  // behind the request that is done
  // Once for a head that asks for it: "100 Continue" is awaited before the body.
  bool take_expectation();
  const Request& request() const;  // from kBody on; its body when it is done

  int status() const;  // of the refusal: 400, 413, 414, 417, 431, 501, 505
  const std::string& problem() const;
  // The request that is done; then reads on in what was kept: look at state() again.
  Request take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ponder::net
