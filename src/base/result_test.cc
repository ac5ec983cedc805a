#include "base/result.h"

#include <gtest/gtest.h>

namespace consort {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) {
    return fail(make_error(ErrorCode::invalid_argument, 1001, "not even")
                    .got(std::to_string(n))
                    .at("cli:1:2")
                    .to_fix("give an even number"));
  }
  return n / 2;
}

Result<int> quarter(int n) {
  CONSORT_ASSIGN(int h, half(n));
  CONSORT_TRY_CONTEXT(half(h), "halving again");
  return h / 2;
}

TEST(Result, CarriesTheValueThroughTwoCalls) { EXPECT_EQ(quarter(12).value(), 3); }

TEST(Result, KeepsCodePlaceValueAndFixWhenAnErrorTravelsUp) {
  Result<int> r = quarter(6);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().to_string(),
            "E1001 invalid_argument at cli:1:2: halving again: not even (got: 3). "
            "Fix: give an even number");
}

TEST(Result, EveryCodeHasANameAStatusAndAnExitCode) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    const ErrorTraits& t = traits(static_cast<ErrorCode>(i));
    EXPECT_FALSE(t.name.empty());
    EXPECT_GE(t.http_status, 400);
    EXPECT_GT(t.exit_code, 0);
  }
}

TEST(Result, OnlyTemporaryFailuresAreRetryable) {
  EXPECT_TRUE(traits(ErrorCode::unavailable).retryable);
  EXPECT_FALSE(traits(ErrorCode::contract_violation).retryable);
  EXPECT_FALSE(traits(ErrorCode::corruption).retryable);
}

TEST(Error, CutsALongValueOnACharacterBoundary) {
  std::string text(199, 'a');
  text += "\xC3\xA9";  // U+00E9 spans bytes 199 and 200.
  Error e = make_error(ErrorCode::internal, 0, "m").got(text + "tail");
  EXPECT_EQ(e.value, std::string(199, 'a') + "...");
}

}  // namespace
}  // namespace consort
