// Conversations in the published templates of three families, against transformers
// (tools/golden/make_family_chats.py).
#include "model/chat_template.h"
#include "model/forward_test_support.h"

namespace consort::model {
namespace {

using contract::Value;

TEST(ChatGolden, TwoHundredConversationsAreRenderedAsByTransformersInEveryFamily) {
  const Value golden = golden_json("family_chats.json.gz");
  const contract::Array& conversations = golden.find("conversations")->as_array();
  ASSERT_EQ(conversations.size(), 200u);
  const contract::Object& templates = golden.find("templates")->as_object();
  ASSERT_EQ(templates.size(), 3u);
  for (const auto& [name, published] : templates) {
    const auto chat = ChatTemplate::parse(published.find("source")->as_string(),
                                          published.string_or("bos_token", ""));
    ASSERT_TRUE(chat) << name << chat.error().to_string();
    int n = 0, refused = 0, wrong = 0;
    for (const Value& c : conversations) {
      contract::Object extra;
      extra.set("tools", *c.find("tools"));
      if (!c.find("enable_thinking")->is_null())
        extra.set("enable_thinking", *c.find("enable_thinking"));
      const auto text =
          (*chat)->render(*c.find("messages"), *c.find("add_generation_prompt") == Value(true),
                          Value(std::move(extra)));
      const Value& wanted = *c.find("rendered")->find(name);
      ++n;
      if (wanted.is_null()) {
        ++refused;
        EXPECT_FALSE(text) << name << " " << contract::to_json(c);
      } else if (!text || *text != wanted.as_string()) {
        if (++wrong < 4)
          ADD_FAILURE() << name << "\nwanted " << wanted.as_string() << "\ngot "
                        << (text ? *text : text.error().to_string());
      }
    }
    EXPECT_EQ(wrong, 0) << name;
    std::printf("%s: %d of %d as transformers, %d of them refused by the template\n",
                std::string(name).c_str(), n - wrong, n, refused);
    EXPECT_LE(refused, 120) << "too few conversations left to compare";
  }
}

}  // namespace
}  // namespace consort::model
