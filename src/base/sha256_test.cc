#include "base/sha256.h"

#include <gtest/gtest.h>

namespace consort {
namespace {

// Expected values: FIPS 180-4 examples (NIST CSRC, "SHA256.pdf").
TEST(Sha256, AgreesWithTheNistExamples) {
  EXPECT_EQ(sha256("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, IsTheSameInOnePieceAndInMany) {
  Sha256 hasher;
  for (char c : std::string("abc")) hasher.update(std::string_view(&c, 1));
  EXPECT_EQ(hasher.finish(), sha256("abc"));
}

TEST(Digest, RoundTripsThroughHexAndRefusesOtherText) {
  Digest d = sha256("x");
  EXPECT_EQ(Digest::from_hex(d.hex()).value(), d);
  EXPECT_FALSE(Digest::from_hex("abc"));
  EXPECT_FALSE(Digest::from_hex(std::string(64, 'G')));
}

}  // namespace
}  // namespace consort
