from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._dynamo.utils import counters
from torch.utils._python_dispatch import TorchDispatchMode

from backbones.wan.vae import WanDecoder, WanVAE, WanVAEConfig
from backbones.wan.vae.causal import CausalConv3d, CausalMemory
from backbones.wan.vae.model import _compiled_decoder

if TYPE_CHECKING:  # takes longer to import than all but the slow tests
    from diffusers import AutoencoderKLWan

SMALL = WanVAEConfig(base_dim=8)
NUM_LATENTS = 5
SIZE = 4


def random_vae(config: WanVAEConfig) -> WanVAE:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        vae = WanVAE(config)
        for name, parameter in vae.named_parameters():
            if name.endswith("gamma"):
                parameter.data.add_(torch.randn_like(parameter), alpha=0.2)
    return vae


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module", params=[False, True], ids=["CPU", "gpu"])
def vae(request: pytest.FixtureRequest) -> WanVAE:
    """In the form of a CPU, and in that of a GPU, on the CPU."""
    return random_vae(SMALL).prepare(for_gpu=request.param)


@pytest.fixture(scope="module")
def latents() -> Tensor:
    return draw(NUM_LATENTS, 16, SIZE, SIZE)


@pytest.fixture(scope="module")
def reference() -> AutoencoderKLWan:
    from diffusers import AutoencoderKLWan
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    model = AutoencoderKLWan(base_dim=SMALL.base_dim).eval()
    model.load_state_dict(convert_wan_vae_to_diffusers(random_vae(SMALL).state_dict()))
    return model


@torch.inference_mode()
def decode_floats(vae: WanVAE, latents: Tensor) -> Tensor:
    """Frames before they are made 8-bit, of latents before normalisation."""
    memory = CausalMemory()
    return torch.cat([vae.decode_latent(latent[None], memory) for latent in latents])


@pytest.mark.slow
def test_the_released_size_has_the_names_and_shapes_of_the_weights_file() -> None:
    from diffusers import AutoencoderKLWan
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    with torch.device("meta"):
        ours, theirs = WanVAE(WanVAEConfig()), AutoencoderKLWan()
    state = ours.state_dict()
    assert len(state) == 194
    assert sum(parameter.numel() for parameter in ours.parameters()) == 126_892_531
    converted = convert_wan_vae_to_diffusers(dict(state))
    expected = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
    assert {name: tensor.shape for name, tensor in converted.items()} == expected


@pytest.mark.slow
@torch.inference_mode()
def test_decoded_frames_equal_those_of_diffusers(
    vae: WanVAE, reference: AutoencoderKLWan, latents: Tensor
) -> None:
    ours = decode_floats(vae, latents).clamp(-1, 1)
    theirs = reference.decode(latents.transpose(0, 1)[None]).sample[0].transpose(0, 1)
    assert ours.shape == (4 * NUM_LATENTS - 3, 3, 8 * SIZE, 8 * SIZE)
    assert float(theirs.std()) > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.slow
@torch.inference_mode()
def test_encoded_latents_equal_those_of_diffusers(vae: WanVAE, reference: AutoencoderKLWan) -> None:
    video = draw(4 * NUM_LATENTS - 3, 3, 8 * SIZE, 8 * SIZE).clamp(-1, 1)
    mean = reference.encode(video.transpose(0, 1)[None]).latent_dist.mean[0].transpose(0, 1)
    config = reference.config
    statistics = (config.latents_mean, config.latents_std)
    mean_C11, std_C11 = (torch.tensor(values)[:, None, None] for values in statistics)
    torch.testing.assert_close(vae.encode(video), (mean - mean_C11) / std_C11, atol=1e-5, rtol=0)


@settings(max_examples=5, deadline=None)
@given(cuts=st.sets(st.integers(1, NUM_LATENTS - 1)))
def test_any_chunking_decodes_to_the_same_frames(
    vae: WanVAE, latents: Tensor, cuts: set[int]
) -> None:
    whole = WanDecoder(vae).decode(latents)
    decoder = WanDecoder(vae)
    bounds = [0, *sorted(cuts), NUM_LATENTS]
    chunks = [decoder.decode(latents[a:b]) for a, b in itertools.pairwise(bounds)]
    assert len(whole) == 4 * NUM_LATENTS - 3
    assert torch.equal(torch.cat(chunks), whole)


def test_the_decoder_takes_normalised_latents_and_gives_8_bit_frames(
    vae: WanVAE, latents: Tensor
) -> None:
    mean_C11, std_C11 = vae.latent_statistics()
    floats = decode_floats(vae, latents * std_C11 + mean_C11)
    frames = WanDecoder(vae).decode(latents)
    exact = (floats.clamp(-1, 1).permute(0, 2, 3, 1) + 1) * 127.5
    assert frames.dtype == torch.uint8
    assert float((frames - exact).abs().max()) <= 0.5 + 1e-4


def test_later_frames_do_not_change_earlier_latents(vae: WanVAE) -> None:
    video = draw(9, 3, 16, 16)
    assert torch.equal(vae.encode(video)[:2], vae.encode(video[:5]))


def test_one_frame_makes_one_latent_and_back(vae: WanVAE) -> None:
    latent = vae.encode(draw(1, 3, 16, 24))
    assert latent.shape == (1, 16, 2, 3)
    assert WanDecoder(vae).decode(latent).shape == (1, 16, 24, 3)


def test_videos_do_not_depend_on_the_number_of_threads(vae: WanVAE, latents: Tensor) -> None:
    alone = WanDecoder(vae).decode(latents[:2])
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        together = WanDecoder(vae).decode(latents[:2])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(alone, together)


@pytest.mark.parametrize("for_gpu", [False, True])
def test_preparing_changes_the_layout_of_weights_only(latents: Tensor, for_gpu: bool) -> None:
    vae = random_vae(SMALL)
    before = decode_floats(vae, latents[:2])
    names = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    vae.prepare(for_gpu)
    assert all(torch.equal(tensor, names[name]) for name, tensor in vae.state_dict().items())
    torch.testing.assert_close(decode_floats(vae, latents[:2]), before, atol=1e-5, rtol=0)
    convolutions = [module for module in vae.modules() if isinstance(module, CausalConv3d)]
    for module in convolutions if for_gpu else ():
        layout = torch.channels_last_3d
        assert module.direct == (module.kernel[0] > 1)
        assert not module.direct or module._weight.is_contiguous(memory_format=layout)
    weights = [module.weight for module in convolutions if not module.direct]
    folded = [weight.transpose(1, 2).flatten(1, 2) for weight in weights]
    assert all(
        view.data_ptr() == weight.data_ptr()
        and view.is_contiguous(memory_format=torch.channels_last)
        for view, weight in zip(folded, weights, strict=True)
    )


def test_bfloat16_stays_near_float32(latents: Tensor) -> None:
    exact = decode_floats(random_vae(SMALL).prepare(), latents)
    rounded = decode_floats(random_vae(SMALL).bfloat16().prepare(), latents)
    assert rounded.dtype == torch.bfloat16
    assert float((rounded - exact).abs().mean()) < 0.05 * float(exact.std())


class Copies(TorchDispatchMode):
    """Counts the bytes that `torch.cat` copies, and the channels out of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.channels: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket is torch.ops.aten.cat:
            self.bytes += result.nbytes
        if func.overloadpacket in (torch.ops.aten.conv2d, torch.ops.aten.conv3d):
            self.channels.add(result.shape[1])
        return result


def test_on_a_gpu_no_taps_are_stacked_and_no_channel_is_left_over() -> None:
    copied = {}
    for for_gpu in (False, True):
        with torch.device("meta"):
            vae = WanVAE(WanVAEConfig()).bfloat16()
            latents = torch.empty(2, 16, 60, 104)
        decoder = WanDecoder(vae.prepare(for_gpu))
        decoder.decode(latents[:1])
        with Copies() as copies:
            decoder.decode(latents[1:])
        copied[for_gpu] = copies.bytes
        assert (3 in copies.channels) != for_gpu
    assert all(channels % 8 == 0 for channels in copies.channels)
    # The past and the present are put together in both forms; the rest are the taps.
    assert copied[True] < 0.4 * copied[False]


@pytest.mark.parametrize("for_gpu", [False, True])
def test_the_released_size_decodes_without_looking_at_values_and_keeps_two_frames(
    for_gpu: bool,
) -> None:
    """On the meta device there are no values: any wait for one, or branch on one, would raise."""
    with torch.device("meta"):
        vae = WanVAE(WanVAEConfig()).bfloat16()
        latents = torch.empty(3, 16, 60, 104)
    decoder = WanDecoder(vae.prepare(for_gpu))
    assert decoder.decode(latents).shape == (9, 480, 832, 3)
    past = decoder._memory.past
    causal = [m for m in vae.decoder.modules() if isinstance(m, CausalConv3d) and m.kernel[0] > 1]
    assert past.keys() == {module.number for module in causal}
    assert all(len(frames) == 2 for frames in past.values())
    assert all(f.untyped_storage().nbytes() == f.nbytes for f in past.values())
    sizes = {number: frames.shape for number, frames in past.items()}
    decoder.decode(latents)
    assert {number: frames.shape for number, frames in past.items()} == sizes


@pytest.mark.slow
@pytest.mark.usefixtures("shapes_unchecked")
def test_a_video_of_any_length_compiles_to_two_graphs_without_breaks(
    latents: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = random_vae(SMALL).prepare(for_gpu=True)
    expected = WanDecoder(vae).decode(latents)
    torch._dynamo.reset()
    counters.clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    _compiled_decoder.cache_clear()
    # Another VAE of this shape uses the same code.
    for model in (vae, vae, random_vae(SMALL).prepare(for_gpu=True)):
        model.compile_decoder(True)
        assert torch.equal(WanDecoder(model).decode(latents), expected)
    assert counters["stats"]["unique_graphs"] == 2
