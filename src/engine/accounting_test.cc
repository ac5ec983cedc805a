// The short form of accounting_long_test.cc.
#include "engine/accounting.h"

namespace consort::engine {
namespace {

TEST(Accounting, ThousandsOfRandomOperationsLeakNoPageAndNoByte) { expect_nothing_leaks(3000); }

}  // namespace
}  // namespace consort::engine
