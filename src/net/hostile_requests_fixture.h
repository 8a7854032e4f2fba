// Requests that a listener must refuse, and odd ones that it must take.
#pragma once

#include <string>
#include <vector>

namespace ponder::net {

struct RawRequest {
  std::string name, bytes;
  int status = 400;  // of the refusal; 200 for one that is taken
};

inline std::vector<RawRequest> raw_requests() {
  const std::string post = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
  const std::string get = "GET /echo HTTP/1.1\r\nHost: localhost\r\n";
  const std::string coding = "Transfer-Encoding: chunked\r\n";
  const std::string chunks = "\r\n3\r\nabc\r\n0\r\n\r\n";
  std::string many_fields = get;
  for (int i = 0; i < 1000; ++i) many_fields += "X" + std::to_string(i) + ": 1\r\n";
  std::string too_many_fields = get;
  for (int i = 0; i < 120; ++i) too_many_fields += "X" + std::to_string(i) + ": 1\r\n";
  std::string many_trailers;
  for (int i = 0; i < 200; ++i) many_trailers += "X: " + std::string(100, 'a') + "\r\n";
  return {
      {"two equal lengths", post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"},
      {"two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"},
      {"a list of lengths", post + "Content-Length: 3, 3\r\n\r\nabc"},
      {"a signed length", post + "Content-Length: +3\r\n\r\nabc"},
      {"a negative length", post + "Content-Length: -3\r\n\r\nabc"},
      {"a hexadecimal length", post + "Content-Length: 0x3\r\n\r\nabc"},
      {"no length", post + "Content-Length:\r\n\r\nabc"},
      {"a fractional length", post + "Content-Length: 3.0\r\n\r\nabc"},
      {"a length beyond 64 bits", post + "Content-Length: 99999999999999999999\r\n\r\nabc"},
      {"a length of 1 GB", post + "Content-Length: 1000000000\r\n\r\nabc", 413},
      {"a length and a coding", post + "Content-Length: 3\r\n" + coding + chunks},
      {"a coding and a length", post + coding + "Content-Length: 3\r\n" + chunks},
      {"two codings", post + coding + coding + chunks},
      {"gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n" + chunks},
      {"chunked, identity", post + "Transfer-Encoding: chunked, identity\r\n" + chunks},
      {"chunked, chunked", post + "Transfer-Encoding: chunked, chunked\r\n" + chunks},
      {"xchunked", post + "Transfer-Encoding: xchunked\r\n" + chunks},
      {"Chunked in capitals", post + "Transfer-Encoding: CHUNKED\r\n" + chunks},
      {"identity and a length",
       post + "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 501},
      {"gzip", post + "Transfer-Encoding: gzip\r\n\r\nabc", 501},
      {"chunked behind a tab", post + "Transfer-Encoding:\t chunked, \r\n" + chunks},
      {"a coding in 1.0", "POST /echo HTTP/1.0\r\nHost: localhost\r\n" + coding + chunks},
      {"a body in 1.0", "POST /echo HTTP/1.0\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"},
      {"a folded field", get + "X-A: 1\r\n 2\r\n\r\n"},
      {"a folded coding", post + "Transfer-Encoding:\r\n chunked\r\n" + chunks},
      {"a folded first field", "GET /echo HTTP/1.1\r\n Host: localhost\r\n\r\n"},
      {"bare line feeds", "GET /echo HTTP/1.1\nHost: localhost\n\n"},
      {"one bare line feed", "GET /echo HTTP/1.1\r\nHost: localhost\nX-A: 1\r\n\r\n"},
      {"a bare carriage return", get + "X-A: 1\r2\r\n\r\n"},
      {"a line of a carriage return", get + "\r\r\n\r\n"},
      {"an empty first line", "\r\n" + get + "\r\n"},
      {"a NUL in a value", get + std::string("X-A: 1\0", 7) + "2\r\n\r\n"},
      {"a NUL in a name", get + std::string("X\0", 2) + "A: 1\r\n\r\n"},
      {"a NUL in the path", std::string("GET /ec\0", 8) + "ho HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"an escaped NUL in the path", "GET /ec%00ho HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"a broken escape", "GET /echo%2 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"DEL in a value", get + "X-A: \x7f\r\n\r\n"},
      {"no name", get + ": 1\r\n\r\n"},
      {"a space in a name", get + "X A: 1\r\n\r\n"},
      {"a space behind a name", get + "X-A : 1\r\n\r\n"},
      {"no colon", get + "X-A\r\n\r\n"},
      {"no host", "GET /echo HTTP/1.1\r\nX-A: 1\r\n\r\n"},
      {"an empty host", "GET /echo HTTP/1.1\r\nHost:\r\n\r\n", 403},
      {"two hosts", get + "Host: localhost\r\n\r\n"},
      {"another host", "GET /echo HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
      {"a host with a path", "GET /echo HTTP/1.1\r\nHost: localhost/x\r\n\r\n", 403},
      {"a host with a user", "GET /echo HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 403},
      {"a host with an odd port", "GET /echo HTTP/1.1\r\nHost: localhost:8x\r\n\r\n", 403},
      {"another origin", get + "Origin: http://evil.example\r\n\r\n", 403},
      {"the origin of a file", get + "Origin: null\r\n\r\n", 403},
      {"an origin that begins like ours", get + "Origin: http://localhost.evil\r\n\r\n", 403},
      {"two authorizations", get + "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"},
      {"1,000 fields", many_fields + "\r\n", 431},
      {"120 fields", too_many_fields + "\r\n", 431},
      {"a field of 20 KB", get + "X-A: " + std::string(20'000, 'a') + "\r\n\r\n", 431},
      {"a path of 3 KB", "GET /" + std::string(3'000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
       414},
      {"a path of UTF-8", "GET /\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"an absolute path", "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"an authority", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"an asterisk", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"a fragment", "GET /echo#a HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"two spaces", "GET  /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"a tab", "GET\t/echo HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"a space at the end", "GET /echo HTTP/1.1 \r\nHost: localhost\r\n\r\n"},
      {"no version", "GET /echo\r\nHost: localhost\r\n\r\n"},
      {"version 0.9", "GET /echo HTTP/0.9\r\nHost: localhost\r\n\r\n", 505},
      {"version 1.2", "GET /echo HTTP/1.2\r\nHost: localhost\r\n\r\n", 505},
      {"version 2.0", "PRI /echo HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
      {"version 1.10", "GET /echo HTTP/1.10\r\nHost: localhost\r\n\r\n", 505},
      {"small http", "GET /echo http/1.1\r\nHost: localhost\r\n\r\n"},
      {"a method of brackets", "G(T /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12)},
      {"an odd expectation", post + "Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", 417},
      {"a chunk of no length", post + coding + "\r\n\r\nabc\r\n0\r\n\r\n"},
      {"a chunk of signed length", post + coding + "\r\n+3\r\nabc\r\n0\r\n\r\n"},
      {"a chunk of 0x3", post + coding + "\r\n0x3\r\nabc\r\n0\r\n\r\n"},
      {"a chunk beyond 64 bits", post + coding + "\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"},
      {"a chunk of 1 GB", post + coding + "\r\n40000000\r\nabc", 413},
      {"a chunk longer than it says", post + coding + "\r\n3\r\nabcd\r\n0\r\n\r\n"},
      {"a chunk with bare line feeds", post + coding + "\r\n3\nabc\n0\n\n"},
      {"a chunk of 16 MB behind a bare line feed", post + coding + "\r\nffffff\nTra\r\n"},
      {"a chunk of 16 MB and a word", post + coding + "\r\nffffff x\r\nabc\r\n"},
      {"a chunk of no size but an extension", post + coding + "\r\n;a=b\r\nabc\r\n0\r\n\r\n"},
      {"a chunk of size 3 and a space", post + coding + "\r\n3 \r\nabc\r\n0\r\n\r\n"},
      {"a NUL in an extension",
       post + coding + "\r\n3;" + std::string(1, '\0') + "\r\nabc\r\n0\r\n\r\n"},
      {"a carriage return in an extension", post + coding + "\r\n3;\ra\r\nabc\r\n0\r\n\r\n"},
      {"a chunk without its end", post + coding + "\r\n3\r\nabc0\r\n\r\n"},
      {"chunks of 8 MB and a byte together", post + coding + "\r\n1\r\na\r\n800000\r\nabc", 413},
      {"a trailer of no name", post + coding + "\r\n0\r\n: 1\r\n\r\n"},
      {"a trailer of no colon", post + coding + "\r\n0\r\nX\r\n\r\n"},
      {"a folded trailer", post + coding + "\r\n0\r\nX: 1\r\n 2\r\n\r\n"},
      {"20 KB of trailers", post + coding + "\r\n0\r\n" + many_trailers + "\r\n", 431},

      {"a request", get + "\r\n", 200},
      {"1.0", "GET /echo HTTP/1.0\r\nHost: localhost\r\n\r\n", 200},
      {"a host with a port", "GET /echo HTTP/1.1\r\nHost: LOCALHOST:8321\r\n\r\n", 200},
      {"an address as host", "GET /echo HTTP/1.1\r\nHost: [::1]:8321\r\n\r\n", 200},
      {"our own origin", get + "Origin: http://localhost:3000\r\n\r\n", 200},
      {"a body", post + "Content-Length: 3\r\n\r\nabc", 200},
      {"chunks", post + coding + chunks, 200},
      {"chunks of nothing", post + coding + "\r\n0\r\n\r\n", 200},
      {"chunks with extensions and trailers",
       post + coding + "\r\n3;a=b\r\nabc\r\n0\r\nAuthorization: Bearer x\r\n\r\n", 200},
      {"UTF-8 in a value", get + "X-A: \xc3\xa9\r\n\r\n", 200},
      {"an unknown method", "BREW /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
  };
}

}  // namespace ponder::net
