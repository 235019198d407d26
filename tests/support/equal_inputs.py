"""Requests that mean the same over every surface."""

from hypothesis import strategies as st

WORDS = ["Where is New York?", "où est la bibliothèque", "你好,世界。", "🐉 and 👩‍👩‍👧", "</s>", "\x00\t\n", " "]
TEXT = st.lists(st.sampled_from(WORDS) | st.text(min_size=1, max_size=30), min_size=1, max_size=4).map("".join)
ROLES = st.sampled_from(["system", "user", "assistant"])
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES, "content": TEXT}), min_size=1, max_size=4)
CONTINUED = st.builds(
    lambda messages, text: {"messages": [*messages, {"role": "assistant", "content": text}]}, MESSAGES, st.just("It is")
)
ENDINGS = st.sampled_from([{"continue_final_message": True}, {"add_generation_prompt": False}])
CONVERSATIONS = MESSAGES.map(lambda messages: {"messages": messages}) | st.builds(
    lambda conversation, ending: {**conversation, **ending}, CONTINUED, ENDINGS
)
INPUTS = (
    st.fixed_dictionaries({"prompt": TEXT}, optional={"raw": st.booleans()})
    | st.fixed_dictionaries({"messages": MESSAGES}, optional={"raw": st.booleans()})
    | CONVERSATIONS
)
TOKEN_IDS = st.lists(st.integers(3, 300), min_size=1, max_size=4)
WITHOUT_FORM = st.fixed_dictionaries(
    {},
    optional={
        "bad_words": st.lists(st.sampled_from(["e", "th", "New York", "🐉", " ", "\n"]), max_size=3),
        "allowed_token_ids": st.lists(st.integers(3, 300), min_size=20, max_size=60),
    },
)
WITH_FORM = st.sampled_from(
    [
        {"guided_regex": "[a-d ]{1,30}"},
        {"guided_choice": ["où", "New York", "🐉"]},
        {"structured_outputs": {"regex": "a*"}},
    ]
)
SAMPLING_ALONE = st.fixed_dictionaries(
    {"max_tokens": st.integers(1, 40), "seed": st.integers(1, 9_999_999_999)},
    optional={
        "temperature": st.sampled_from([0, 0.01, 0.6, 1, 5]),
        "top_k": st.integers(1, 50),
        "top_p": st.floats(0.001, 1),
        "stop": st.lists(st.sampled_from([" ", "e", "\ufffd", "th", "\n\n"]), min_size=1, max_size=4),
        "min_p": st.floats(0, 1),
        "repetition_penalty": st.floats(0.5, 2),
        "frequency_penalty": st.floats(-2, 2),
        "presence_penalty": st.floats(-2, 2),
        "logit_bias": st.dictionaries(st.integers(0, 300).map(str), st.floats(-100, 100), max_size=3),
        "min_tokens": st.integers(0, 1),
        "ignore_eos": st.booleans(),
        "stop_token_ids": TOKEN_IDS,
        "include_stop_str_in_output": st.booleans(),
        "truncate_prompt_tokens": st.integers(1, 20),
    },
)
SAMPLING = st.builds(lambda fields, form: {**fields, **form}, SAMPLING_ALONE, WITHOUT_FORM | WITH_FORM)
