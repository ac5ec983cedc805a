// A million rows of logits in random companies.
#include "engine/same_bits.h"

namespace consort::engine {
namespace {

TEST_F(SameBits, AMillionRowsOfLogitsDoNotDependOnTheirCompany) {
  EXPECT_EQ(count_differences(1000000, 2), 0u);
}

}  // namespace
}  // namespace consort::engine
