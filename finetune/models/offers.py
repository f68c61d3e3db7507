"""Which published models stand for each family, by their ids on the hub; what was proved of each stands in proofs.json.

Nothing is decided by this list: a base that is not on it is read by its config like any other. Licences are named in
short so that nobody downloads gigabytes that they may not use; the publisher's page is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """One published model.

    Attributes:
        id: on the hub, owner/name.
        size: parameters as the publisher counts them, "7B"; "30B, 3B active" for mixtures.
        licence: its name in short.
        context_tokens: that it was made for.
        sure: whether somebody of the project saw the publisher's own words on licence and context. False: from
            general knowledge, to be looked up on the model's page.
        gated: whether the hub asks for an account and an agreement first.
        note: what else must be known before choosing it.
    """

    id: str
    size: str
    licence: str
    context_tokens: int
    sure: bool = False
    gated: bool = False
    note: str = ""


@dataclass(frozen=True)
class Story:
    """One line of the table: what people call it, which proofs speak for it, and what can be downloaded.

    Attributes:
        name: of the system that it is or stands for.
        family: what is loaded, in plain words.
        proofs: keys of proofs.json.
        offers: the recommended one first.
        note: on all of them.
    """

    name: str
    family: str
    proofs: tuple[str, ...]
    offers: tuple[Offer, ...]
    note: str = ""


_AQUILA = "BAAI Aquila Model License"
_AQUILA_70B = "BAAI Aquila 70B Model License"
_PANGU = "OPENPANGU Model License 1.0"
_LLAMA2, _LLAMA32 = "Llama 2 Community License", "Llama 3.2 Community License"
_APACHE, _GEMMA, _MIT = "Apache-2.0", "Gemma Terms of Use", "MIT"

STORIES: tuple[Story, ...] = (
    Story(
        "Wu Dao 3.0",
        "Aquila, AquilaChat and AquilaChat2",
        ("aquila", "aquila2_34b", "aquila2_16k"),
        (
            Offer("BAAI/AquilaChat2-7B", "7B", _AQUILA, 2048),
            Offer("BAAI/AquilaChat-7B", "7B", _AQUILA, 2048),
            Offer("BAAI/AquilaChat2-7B-16K", "7B", _AQUILA, 16384),
            Offer("BAAI/AquilaChat2-34B", "34B", _AQUILA, 4096),
            Offer("BAAI/AquilaChat2-34B-16K", "34B", _AQUILA, 16384),
            Offer("BAAI/AquilaChat2-70B-Expr", "70B", _AQUILA_70B, 4096),
        ),
        "Loaded as the Llama it is, without the publisher's code. Commercial use is allowed within the licence's "
        "restrictions; its text was not read here. Whether each repository holds safetensors was not seen either: "
        "weights in .bin files are refused, because such files can run code.",
    ),
    Story(
        "Wu Dao 2.0",
        "sparse mixtures: Qwen3 and Mixtral",
        ("qwen3_moe", "mixtral"),
        (
            Offer("Qwen/Qwen3-30B-A3B", "30.5B, 3.3B active", _APACHE, 32768, sure=True),
            Offer("mistralai/Mixtral-8x7B-Instruct-v0.1", "46.7B, 12.9B active", _APACHE, 32768, sure=True),
        ),
        "Wu Dao 2.0's own weights cannot be trained here; these are mixtures of experts as it was.",
    ),
    Story(
        "Wu Dao 2.0, images",
        "Qwen-VL, image and text",
        ("qwen2_5_vl", "qwen3_vl"),
        (
            Offer("Qwen/Qwen3-VL-2B-Instruct", "2B", _APACHE, 262144),
            Offer("Qwen/Qwen2.5-VL-7B-Instruct", "7B", _APACHE, 128000),
            Offer("Qwen/Qwen2.5-VL-3B-Instruct", "3B", "Qwen Research License", 128000, note="not for commerce"),
        ),
    ),
    Story(
        "LLaMA",
        "Llama 2 and Llama 3.2",
        ("llama2", "llama3_2"),
        (
            Offer("meta-llama/Llama-3.2-1B-Instruct", "1.2B", _LLAMA32, 131072, gated=True),
            Offer("meta-llama/Llama-3.2-3B-Instruct", "3.2B", _LLAMA32, 131072, gated=True),
            Offer("meta-llama/Llama-3.1-8B-Instruct", "8B", "Llama 3.1 Community License", 131072, gated=True),
            Offer("meta-llama/Llama-2-7b-chat-hf", "7B", _LLAMA2, 4096, gated=True),
        ),
    ),
    Story(
        "Tongyi",
        "Qwen2.5, Qwen3 and Qwen3.5",
        ("qwen2_5", "qwen3", "qwen3_5"),
        (
            Offer("Qwen/Qwen3-0.6B", "0.6B", _APACHE, 32768, sure=True),
            Offer("Qwen/Qwen3-1.7B", "1.7B", _APACHE, 32768, sure=True),
            Offer("Qwen/Qwen3-4B", "4B", _APACHE, 32768, sure=True),
            Offer("Qwen/Qwen3-8B", "8B", _APACHE, 32768, sure=True),
            Offer("Qwen/Qwen2.5-0.5B-Instruct", "0.5B", _APACHE, 32768, sure=True),
            Offer("Qwen/Qwen2.5-7B-Instruct", "7B", _APACHE, 32768),
            Offer("Qwen/Qwen2.5-3B-Instruct", "3B", "Qwen Research License", 32768, note="not for commerce"),
            Offer("Qwen/Qwen3.5-9B", "9B", _APACHE, 262144),
        ),
    ),
    Story(
        "Ernie 3.5",
        "ERNIE 4.5",
        ("ernie4_5", "ernie4_5_moe"),
        (
            Offer("baidu/ERNIE-4.5-0.3B-PT", "0.36B", _APACHE, 131072, sure=True),
            Offer("baidu/ERNIE-4.5-21B-A3B-PT", "21B, 3B active", _APACHE, 131072, sure=True),
        ),
        "Take the -PT repositories: the others hold weights for PaddlePaddle.",
    ),
    Story(
        "Pangu 3.0",
        "openPangu Embedded and Pro-MoE",
        ("pangu_embedded_1b", "pangu_embedded_7b", "pangu_pro_moe"),
        (
            Offer("FreedomIntelligence/openPangu-Embedded-1B-V1.1", "1B", _PANGU, 32768, sure=True),
            Offer("FreedomIntelligence/openPangu-Embedded-7B-V1.1", "7B", _PANGU, 32768, sure=True),
            Offer("IntervitensInc/pangu-pro-moe-model", "72B, 16B active", _PANGU, 131072, sure=True),
        ),
        "The licence forbids use within the European Union, and products must show 'Powered by openPangu'. The ids are "
        "copies that others put on the hub; the publisher's home is ascend-tribe on gitcode. Needs the extra `pangu`.",
    ),
    Story(
        "GPT-4",
        "gpt-oss, OpenAI's open weights",
        ("gpt_oss", "gpt_oss_mxfp4"),
        (Offer("openai/gpt-oss-20b", "21B, 3.6B active", _APACHE, 131072, sure=True),),
        "Published in MXFP4, which cannot be trained: the experts are unpacked to 16 bit (about 42 GB).",
    ),
    Story(
        "small ones",
        "SmolLM2 and SmolLM3",
        ("smollm2", "smollm3"),
        (
            Offer("HuggingFaceTB/SmolLM2-135M-Instruct", "0.135B", _APACHE, 8192),
            Offer("HuggingFaceTB/SmolLM2-360M-Instruct", "0.36B", _APACHE, 8192),
            Offer("HuggingFaceTB/SmolLM2-1.7B-Instruct", "1.7B", _APACHE, 8192),
            Offer("HuggingFaceTB/SmolLM3-3B", "3B", _APACHE, 65536),
        ),
    ),
    Story(
        "small ones",
        "Gemma 2 and 3",
        ("gemma2", "gemma3"),
        (
            Offer("google/gemma-3-1b-it", "1B", _GEMMA, 32768, gated=True),
            Offer("google/gemma-2-2b-it", "2.6B", _GEMMA, 8192, gated=True),
        ),
    ),
    Story(
        "small ones",
        "Phi",
        ("phi3", "phi4_mini", "phi"),
        (
            Offer("microsoft/Phi-4-mini-instruct", "3.8B", _MIT, 131072),
            Offer("microsoft/Phi-3-mini-4k-instruct", "3.8B", _MIT, 4096),
            Offer("microsoft/phi-2", "2.7B", _MIT, 2048, note="never tuned for chat"),
        ),
    ),
    Story(
        "small ones",
        "Mistral",
        ("mistral",),
        (Offer("mistralai/Mistral-7B-Instruct-v0.3", "7B", _APACHE, 32768),),
    ),
    Story(
        "small ones",
        "InternLM3",
        ("internlm3",),
        (Offer("internlm/internlm3-8b-instruct", "8B", _APACHE, 32768),),
        "Its tokenizer is a SentencePiece file. Needs the extra `pangu`.",
    ),
    Story("small ones", "GLM-4", ("glm4",), (Offer("zai-org/GLM-4-9B-0414", "9B", _MIT, 32768),)),
    Story(
        "small ones",
        "Granite",
        ("granite",),
        (Offer("ibm-granite/granite-3.3-2b-instruct", "2B", _APACHE, 131072),),
    ),
)
