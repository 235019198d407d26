"""What a text completion asks and is answered."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import last_part, part
from tests.support.openai_asking import BASES, WITH_USAGE, at_no_time, complete, error_of, read_chunks

USAGE_JSON = b'{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2}}'
OBJECT = b'{"id":"id-0","object":"text_completion","created":0,"model":"@runstream/demo","choices":['
TOKENS = [pb.TokenLogprob(token=token, logprob=-0.5) for token in (b" caf", b"\xc3", b"\xa9", b"!")]


@pytest.mark.parametrize("base", BASES)
async def test_a_whole_answer_is_a_text_completion(bridge, base):
    assert at_no_time((await complete(bridge, base)).body) == (
        OBJECT + b'{"text":"New York","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":' + USAGE_JSON + b"}"
    )


@pytest.mark.parametrize("base", BASES)
async def test_a_stream_has_chunks_of_the_same_shape(bridge, base):
    assert at_no_time((await complete(bridge, base, **WITH_USAGE)).body) == (
        b"data: " + OBJECT + b'{"text":"New","index":0,"logprobs":null,"finish_reason":null}]}\n\n'
        b"data: " + OBJECT + b'{"text":" York","index":0,"logprobs":null,"finish_reason":null}]}\n\n'
        b"data: " + OBJECT + b'{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":' + USAGE_JSON
        + b"}\n\ndata: [DONE]\n\n"
    )  # fmt: skip


@pytest.mark.parametrize("prompt", ["New York is", ["New York is"]])
async def test_the_prompt_goes_to_the_model_unchanged(bridge, service, prompt):
    await complete(bridge, prompt=prompt)
    assert service.request.prompt == pb.Prompt(text="New York is", raw=True)


@pytest.mark.parametrize("prompt", [[5, 0, 7], [[5, 0, 7]]])
async def test_the_prompt_may_be_token_ids(bridge, service, prompt):
    await complete(bridge, prompt=prompt)
    assert service.request.prompt_token_ids.values == [5, 0, 7]


@pytest.mark.parametrize("stream", [True, False])
async def test_the_default_of_max_tokens_is_256_whole_and_streamed(bridge, service, stream):
    await complete(bridge, stream=stream)
    params = service.request.sampling_params
    assert (params.max_tokens, params.max_tokens_is_default) == (256, True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, "b"]}, "prompt"),
        ({"prompt": [1, -2]}, "prompt"),
        ({"prompt": [True]}, "prompt"),
        ({"prompt": [2**31]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [""]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"echo": True}, "echo"),
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"tools": [1]}, "tools"),
        ({"messages": [1]}, "messages"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
async def test_what_is_not_there_is_refused_with_its_place(bridge, fields, param):
    status, error = error_of(await complete(bridge, **fields))
    assert (status, error["param"]) == (400, param)


async def test_what_says_nothing_is_no_reason_to_refuse(bridge):
    answer = await complete(bridge, echo=False, suffix="", best_of=2, n=2, logprobs=None)
    assert answer.status == 200


async def test_log_probabilities_have_the_older_shape(bridge, service):
    service.answer.logprobs.extend(TOKENS)
    service.answer.logprobs[0].top.add(token=b" tea", logprob=-0.25)
    (choice,) = json.loads((await complete(bridge, logprobs=1)).body)["choices"]
    assert service.request.sampling_params.top_logprobs == 1
    assert choice["logprobs"]["tokens"] == [" caf", "bytes:\\xc3", "bytes:\\xa9", "!"]
    assert choice["logprobs"]["token_logprobs"] == [-0.5] * 4
    assert choice["logprobs"]["top_logprobs"][0] == {" tea": -0.25, " caf": -0.5}
    assert choice["logprobs"]["text_offset"] == [0, 4, 4, 5]


async def test_places_in_the_text_go_on_over_the_parts_of_a_stream(bridge, service):
    service.parts = [part(" caf", logprobs=TOKENS[:2]), last_part("é!", logprobs=TOKENS[2:])]
    chunks = read_chunks((await complete(bridge, logprobs=0, stream=True)).body)
    assert [chunk["choices"][0]["logprobs"]["text_offset"] for chunk in chunks] == [[0, 4], [4, 5]]
