"""Requests for model servers, held to the servers' documented schemas."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NotRequired

import numpy
import pytest

torch = pytest.importorskip("torch", reason="visual tokens need torch")
pytest.importorskip("transformers", reason="visual tokens need transformers")

from openai.types.chat import ChatCompletionMessageParam  # noqa: E402
from openai.types.chat.chat_completion_content_part_image_param import ImageURL  # noqa: E402
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config  # noqa: E402
from typing_extensions import TypedDict  # noqa: E402
from vision_families import MAKERS, Family, family, page  # noqa: E402
from vision_views import pages_of, turn_with, view  # noqa: E402

from sfumato import InputError  # noqa: E402
from sfumato.adapters.serving import (  # noqa: E402
    image_uuid,
    sglang_request,
    vllm_embeds_messages,
    vllm_image_messages,
)
from sfumato.adapters.transformers import OpticalHost  # noqa: E402

torch.set_num_threads(1)
EXACTLY = ConfigDict(extra="forbid", strict=True)


# vLLM, vllm/entrypoints/chat_utils.py and the OpenAPI document it serves, November 2026:
# ChatCompletionContentPartImageEmbedsParam and CustomChatCompletionContentSimpleImageParam.
@with_config(EXACTLY)
class TextPart(TypedDict):
    type: Literal["text"]
    text: str


@with_config(EXACTLY)
class ImageEmbedsPart(TypedDict):
    type: Literal["image_embeds"]
    image_embeds: str | dict[str, str] | None
    uuid: NotRequired[str | None]


@with_config(EXACTLY)
class ImageUrlPart(TypedDict):
    type: Literal["image_url"]
    image_url: ImageURL | None
    uuid: NotRequired[str | None]


@with_config(EXACTLY)
class Message(TypedDict):
    role: Literal["user", "assistant", "system", "tool"]
    content: str | list[TextPart | ImageEmbedsPart | ImageUrlPart]


# SGLang, base_processor.py (collect_mm_items_from_processor_output, validate_mm_data).
@with_config(ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True))
class PrecomputedItem(TypedDict):
    format: Literal["precomputed_embedding"]
    modality: Literal["IMAGE"]
    feature: list[list[float]]
    image_grid_thw: NotRequired[list[list[int]]]


VLLM = TypeAdapter(list[Message])
SGLANG = TypeAdapter(PrecomputedItem)


def parts_of(messages: list[Any], kind: str) -> list[Any]:
    return [
        part
        for message in messages
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == kind
    ]


def tensor(encoded: str) -> Any:
    """As vLLM reads it: a .npy file, no pickles."""
    held = base64.b64decode(encoded, validate=True)
    assert held[:6] == b"\x93NUMPY"
    return torch.from_numpy(numpy.load(BytesIO(held), allow_pickle=False))


@pytest.fixture(params=[name for name in MAKERS if name != "deepseek_ocr2"])
def made(request: pytest.FixtureRequest) -> Family:
    return family(request.param)


@pytest.fixture
def host(made: Family) -> OpticalHost:
    return OpticalHost(made.model, made.processor)


def test_the_schemas_refuse_what_they_should():
    for wrong in ({"type": "image_embeds"}, {"type": "image_embeds", "image_embeds": 7}):
        with pytest.raises(ValidationError):
            VLLM.validate_python([{"role": "user", "content": [wrong]}])


class TestVisualTokensForVLLM:
    def test_the_request_is_as_documented(self, made: Family, host: OpticalHost):
        pngs = pages_of(made, 2)
        messages = vllm_embeds_messages(view(pngs), host.encoder)
        VLLM.validate_python(messages)
        assert json.loads(json.dumps(messages)) == messages
        parts = parts_of(messages, "image_embeds")
        assert len(parts) == 2
        assert not parts_of(messages, "image_url")
        for part, seen in zip(parts, host.encoder.encode(pngs, thread="alice"), strict=True):
            given = part["image_embeds"]
            if seen.grid is None:
                rows = tensor(given)
                assert rows.shape[0] == 1
                rows = rows[0]
            else:
                assert set(given) == {"image_embeds", "image_grid_thw"}
                rows, grid = tensor(given["image_embeds"]), tensor(given["image_grid_thw"])
                assert grid.tolist() == seen.grid.tolist()
                assert grid.shape == (1, 3)
            levels = [seen.rows, *seen.deepstack]
            assert rows.shape == (seen.tokens, 32 * len(levels))
            assert torch.equal(rows, torch.cat(levels, -1))

    def test_features_of_early_layers_come_behind_the_base_ones(self):
        made = family("qwen3_vl")
        host = OpticalHost(made.model, made.processor)
        [part] = parts_of(
            vllm_embeds_messages(view(pages_of(made, 1)), host.encoder), "image_embeds"
        )
        assert tensor(part["image_embeds"]["image_embeds"]).shape[1] == 32 * 3

    def test_half_precision_travels_exactly(self):
        made = family("llava")
        host = OpticalHost(made.model, made.processor, dtype="bfloat16")
        [png] = pages_of(made, 1)
        [part] = parts_of(vllm_embeds_messages(view([png]), host.encoder), "image_embeds")
        [seen] = host.encoder.encode([png], thread="alice")
        assert seen.features.dtype == torch.bfloat16
        assert torch.equal(tensor(part["image_embeds"])[0].bfloat16(), seen.features)

    def test_what_the_server_holds_is_named_and_not_sent(self):
        made = family("qwen2_5_vl")
        host = OpticalHost(made.model, made.processor)
        first = parts_of(
            vllm_embeds_messages(view(pages_of(made, 2)), host.encoder), "image_embeds"
        )
        messages = vllm_embeds_messages(
            view(pages_of(made, 3)), host.encoder, known={part["uuid"] for part in first}
        )
        VLLM.validate_python(messages)
        again = parts_of(messages, "image_embeds")
        assert [part["image_embeds"] is None for part in again] == [True, True, False]
        assert len({part["uuid"] for part in again}) == 3

    def test_images_in_two_messages_are_refused(self):
        made = family("llava")
        host = OpticalHost(made.model, made.processor)
        shown = view(pages_of(made, 1), ["Look:", "Yes?", turn_with(page(9, (48, 48)), "this")])
        with pytest.raises(InputError, match="2 messages of this view hold images"):
            vllm_embeds_messages(shown, host.encoder)


class TestImagesForVLLM:
    def test_images_are_named_by_their_content(self):
        first, second = page(1, (64, 64)), page(2, (64, 64))
        messages = vllm_image_messages(view([first, second]))
        VLLM.validate_python(messages)
        named = {part["uuid"]: part["image_url"]["url"] for part in parts_of(messages, "image_url")}
        assert list(named) == [image_uuid(first), image_uuid(second)]
        for uuid, png in zip(named, (first, second), strict=True):
            assert named[uuid] == "data:image/png;base64," + base64.b64encode(png).decode()
        elsewhere = vllm_image_messages(view([second], thread="bob"))
        assert parts_of(elsewhere, "image_url")[0]["uuid"] == image_uuid(second)

    def test_they_are_openai_messages_but_for_the_uuid(self):
        messages = vllm_image_messages(view([page(1, (64, 64))], ["And?", "So.", "Then?"]))
        for part in parts_of(messages, "image_url"):
            del part["uuid"]
        for message in messages:
            TypeAdapter(ChatCompletionMessageParam).validate_python(message)

    def test_what_the_server_holds_is_named_and_not_sent(self):
        first, second = page(1, (64, 64)), page(2, (64, 64))
        messages = vllm_image_messages(view([first, second]), known={image_uuid(first)})
        VLLM.validate_python(messages)
        assert [part["image_url"] is None for part in parts_of(messages, "image_url")] == [
            True,
            False,
        ]


class TestVisualTokensForSGLang:
    def test_the_request_is_as_documented(self, made: Family, host: OpticalHost):
        shown = view(pages_of(made, 2), ["Look:", "Yes?", turn_with(pages_of(made, 3)[2], "this")])
        request = sglang_request(shown, host, as_json=True)
        assert json.loads(json.dumps(request)) == request
        assert set(request) == {"input_ids", "image_data"}
        [item] = request["image_data"]
        SGLANG.validate_python(item)
        placeholders = request["input_ids"].count(made.model.config.image_token_id)
        assert len(item["feature"]) == placeholders
        if "image_grid_thw" in item:
            merged = sum(t * h * w for t, h, w in item["image_grid_thw"]) // 4
            assert merged == placeholders
            assert len(item["image_grid_thw"]) == 3
        prompt = host.prompt(shown)
        wide = [torch.cat([p.rows, *p.deepstack], -1) for p in prompt.pages]
        assert torch.equal(torch.tensor(item["feature"]), torch.cat(wide))

    def test_in_one_process_tensors_stay_tensors(self):
        made = family("qwen2_5_vl")
        host = OpticalHost(made.model, made.processor)
        [item] = sglang_request(view(pages_of(made, 2)), host)["image_data"]
        assert item["feature"].dtype == torch.float32
        assert item["image_grid_thw"].shape == (2, 3)

    def test_a_view_without_images_is_ids_alone(self):
        made = family("llava")
        assert set(sglang_request(view(), OpticalHost(made.model, made.processor))) == {"input_ids"}


def test_a_real_view_of_a_memory_is_sent(tmp_path: Path):
    from sfumato import Memory

    memory = Memory("alice", "qwen2.5-vl", f"sqlite:///{tmp_path}/m.db", 1_200, profile="dense")
    for number in range(16):
        memory.add("user", f"{number}: " + "the flight leaves in the morning and is full. " * 6)
        memory.add("assistant", "Noted.")
    memory.add("user", "Which?")
    messages = vllm_image_messages(memory.view())
    VLLM.validate_python(messages)
    assert parts_of(messages, "image_url")
    memory.store.close()
