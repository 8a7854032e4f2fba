#include "net/url.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "testing/error_text.h"

namespace ponder::net {
namespace {

TEST(Url, PartsOfAnAddress) {
  const Url url = parse_url("HTTPS://API.example.com/v1/", "--server");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "api.example.com");
  EXPECT_EQ(url.port, 443);
  EXPECT_EQ(url.path, "/v1");
  EXPECT_EQ(url.text(), "https://api.example.com/v1");
  EXPECT_EQ(parse_url("http://gpu1:8000", "x").text(), "http://gpu1:8000");
  EXPECT_EQ(parse_url("http://[::1]:8321/", "x").text(), "http://[::1]:8321");
}

TEST(Url, KnowsThisMachine) {
  for (const char* text :
       {"http://localhost:1", "http://127.0.0.1", "http://127.9.9.9", "http://[::1]"})
    EXPECT_TRUE(parse_url(text, "x").is_loopback()) << text;
  for (const char* text :
       {"http://10.0.0.1", "http://localhost.example.com", "http://127.example.com",
        "http://127.0.0.1.example.com", "http://[::2]"})
    EXPECT_FALSE(parse_url(text, "x").is_loopback()) << text;
}

TEST(Url, ToldFromPaths) {
  EXPECT_TRUE(looks_like_url("http://x"));
  EXPECT_TRUE(looks_like_url("HTTPS://x"));
  for (const char* text : {"models/base", "httpd", "http:/x", "ftp://x", ""})
    EXPECT_FALSE(looks_like_url(text)) << text;
}

TEST(Url, RefusesWhatIsNoPlainAddress) {
  for (const char* text : {"models/base", "ftp://x", "http://", "http://a b", "http://h:99999",
                           "http://h/#top", "http://me@h", "http://h/v1?key=s3cret"}) {
    EXPECT_THROW((void)parse_url(text, "--server"), Error) << text;
  }
}

TEST(Url, DoesNotRepeatWhatIsSecret) {
  for (const char* text :
       {"http://me:s3cret@h", "http://h/v1?key=s3cret", "http://h:99999/?k=s3cret"}) {
    const std::string said = testing::error_text([&] { (void)parse_url(text, "--server"); });
    EXPECT_NE(said, "");
    EXPECT_EQ(said.find("s3cret"), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace ponder::net
