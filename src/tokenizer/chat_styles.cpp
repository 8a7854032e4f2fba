#include "tokenizer/chat_styles.h"

#include <array>

namespace ponder::tokenizer {
namespace {

constexpr std::string_view kHelpful = "You are a helpful assistant.";
constexpr std::string_view kQwen =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
constexpr std::string_view kSmolLm2 =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
constexpr std::string_view kThink = "<think>\n";

constexpr std::array kStyles = {
    ChatStyle{.name = "chatml", .family = ChatFamily::kChatml},
    ChatStyle{.name = "qwen2", .family = ChatFamily::kChatml, .default_system = kHelpful},
    ChatStyle{.name = "smollm2", .family = ChatFamily::kChatml, .default_system = kSmolLm2},
    ChatStyle{.name = "qwen2.5-base",
              .family = ChatFamily::kQwen,
              .default_system = kHelpful,
              .tools = true},
    ChatStyle{
        .name = "qwen2.5", .family = ChatFamily::kQwen, .default_system = kQwen, .tools = true},
    ChatStyle{.name = "qwq",
              .family = ChatFamily::kQwen,
              .thoughts = ThoughtTurns::kStripUnlessLast,
              .response_prefix = kThink,
              .tools = true},
    ChatStyle{.name = "qwen3",
              .family = ChatFamily::kQwen,
              .thoughts = ThoughtTurns::kStripBeforeQuery,
              .tools = true,
              .switches_thinking = true},
    ChatStyle{.name = "qwen3-thinking",
              .family = ChatFamily::kQwen,
              .thoughts = ThoughtTurns::kStripBeforeQuery,
              .response_prefix = kThink,
              .tools = true},
    ChatStyle{.name = "qwen3-instruct", .family = ChatFamily::kQwen, .tools = true},
    ChatStyle{.name = "qwen3-instruct-mlx",
              .family = ChatFamily::kQwen,
              .thoughts = ThoughtTurns::kStripBeforeQuery,
              .tools = true},
    ChatStyle{.name = "llama3", .family = ChatFamily::kLlama3},
    ChatStyle{.name = "llama3-open", .family = ChatFamily::kLlama3, .always_opens_assistant = true},
    ChatStyle{.name = "llama3.1", .family = ChatFamily::kLlama31},
    ChatStyle{.name = "deepseek-r1",
              .family = ChatFamily::kDeepseek,
              .thoughts = ThoughtTurns::kStripAlways,
              .response_prefix = kThink},
    ChatStyle{.name = "deepseek-r1-unopened",
              .family = ChatFamily::kDeepseek,
              .thoughts = ThoughtTurns::kStripAlways},
};

constexpr std::array kTemplates = {
    // ChatML is written in several ways that render the same: with and without a default for
    // add_generation_prompt, line ends as they are or as \n.
    KnownTemplate{"153280e3ff55d19da1398bdb3914ee2a51b80429bfaedde11d7d216c39db80f3", "chatml"},
    KnownTemplate{"58c1a1f04baa7adaeaba1f90267c3d57d9396f0c1f0129bdde9e76d3c6784af7", "chatml"},
    KnownTemplate{"fcf7a096fe99a48fd9ad2b250bf9237e96e8f48bffec1c7ea4d3f225176cd40e", "chatml"},
    KnownTemplate{"d7b5b8c7b58f7a6bf868aa46a5f73ee976d7292f40fcb9c3e7a1defd8d235cfb", "chatml"},
    // SmolLM2-Instruct.
    KnownTemplate{"872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788", "smollm2"},
    // Qwen2-Instruct; Qwen2.5 and Qwen3 base models; Qwen2.5-Instruct; QwQ-32B.
    KnownTemplate{"793202280c0910ab26bc6eb57c8212c2417324c6d8c4efd0d10d59092ab3e3eb", "qwen2"},
    KnownTemplate{"44d5f08f3f72b837eaad09f13a54c1f9f4eb58d75240334548b7fd52a5437fa5",
                  "qwen2.5-base"},
    KnownTemplate{"cd8e9439f0570856fd70470bf8889ebd8b5d1107207f67a5efb46e342330527f", "qwen2.5"},
    KnownTemplate{"16488ad69d85833e5f66c50174f39834b688343337e9337f018deaa21b354117", "qwq"},
    // Qwen3, at first and since it lets a content be no text.
    KnownTemplate{"87a2728cb8dc9fe424d624542f6060ec05a1d285ebbec578bb078900e33396b5", "qwen3"},
    KnownTemplate{"a55ee1b1660128b7098723e0abcd92caa0788061051c62d51cbe87d9cf1974d8", "qwen3"},
    // Qwen3-Thinking-2507; Qwen3-Instruct-2507, as published and as converted for MLX.
    KnownTemplate{"3802169b2a02b81e6adb7ab4f64f91ff02db753c8c3a64a01c35192d3a61d8d7",
                  "qwen3-thinking"},
    KnownTemplate{"64f85b198065d0fba2a81f37e10ed68161ce2c19a754c7100e67e0ca2ee9c326",
                  "qwen3-instruct"},
    KnownTemplate{"40c21f34cf67d8c760ef72f8ad3ae5afad514299d4b06e91dd9a8d705af7b541",
                  "qwen3-instruct-mlx"},
    // Llama 3, corrected and at first; Llama 3.1 and 3.3; Llama 3.2.
    KnownTemplate{"ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122", "llama3"},
    KnownTemplate{"b48c47f6443892716176eb200bf4ef108f64e06ca26ed0fa8ebc0a4b3992fcb2",
                  "llama3-open"},
    KnownTemplate{"e10ca381b1ccc5cf9db52e371f3b6651576caee0a630b452e2816b2d404d4b65", "llama3.1"},
    KnownTemplate{"5816fce10444e03c2e9ee1ef8a4a1ea61ae7e69e438613f3b17b69d0426223a4", "llama3.1"},
    // DeepSeek-R1-Distill, since it opens the thought and at first.
    KnownTemplate{"56a1447ad31926fdc21fb07e56e5642bd9c850c4f52d8c8af7bbe5f079a84f5f",
                  "deepseek-r1"},
    KnownTemplate{"b6835114b7303ddd78919a82e4d9f7d8c26ed0d7dfc36beeb12d524f6144eab1",
                  "deepseek-r1-unopened"},
};

}  // namespace

std::span<const ChatStyle> chat_styles() { return kStyles; }
std::span<const KnownTemplate> known_templates() { return kTemplates; }

}  // namespace ponder::tokenizer
