// Which sanitizers a test was built with: gcc tells by macros, clang 14 by features.
#pragma once

namespace ponder::testing {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PONDER_ADDRESS_SANITIZER 1
#elif __has_feature(thread_sanitizer)
#define PONDER_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PONDER_ADDRESS_SANITIZER 1
#elif defined(__SANITIZE_THREAD__)
#define PONDER_THREAD_SANITIZER 1
#endif

#if defined(PONDER_ADDRESS_SANITIZER)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#if defined(PONDER_THREAD_SANITIZER)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#undef PONDER_ADDRESS_SANITIZER
#undef PONDER_THREAD_SANITIZER

/// By how much a limit of time is larger in such a build.
inline constexpr int kSlowdown = kAddressSanitizer || kThreadSanitizer ? 20 : 1;

}  // namespace ponder::testing
