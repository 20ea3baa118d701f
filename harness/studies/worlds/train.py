"""Training of the street's backbone: start or resume a run, and save it after every measurement.

```
<out>/training.json        settings, command, steps done
<out>/clips.safetensors    latents of the training set
<out>/decoder.pt           state of the decoder's training
<out>/transformer.pt       state of the transformer's training
<out>/curves.csv .png      loss of blocks where something returns, by kind of context
<out>/samples/STEP.png     laps of one walk, with a window only and remembering
<out>/street.safetensors   newest weights, ready as a backbone
```

A state is written last, so what it refers to is complete. A file that is not what was written is
made again: a clip set is rendered, a training starts over. Both end with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from PIL import Image

from backbones.engine.spec import Precision
from backbones.street.backbone import assemble, street_spec
from backbones.street.encoder import load_encoder
from backbones.street.training.clips import ClipSet
from backbones.street.training.contexts import Contexts
from backbones.street.training.decoder import DecoderLoop
from backbones.street.training.loop import Loop
from backbones.street.training.samples import sample_strips
from backbones.street.training.transformer import TransformerLoop, learned_memory
from backbones.street.weights import StreetWeights
from harness.core.errors import ConfigError
from harness.core.events import Event, EventKind, Interrupted, Listener, StopRequested
from harness.core.files import remove_leftovers, replacing
from harness.core.machine import num_cores, prepare_process
from harness.studies.training_folder import (
    STATE,
    TrainingState,
    digests,
    first_difference,
    starting_over,
    write_curves,
)
from harness.studies.worlds.decoder_quality import fidelity_db, sharpness_share
from harness.studies.worlds.run_config import WorldRun
from reports.studies.world_curves import draw_world_curves


def train_world(run: WorldRun, listener: Listener, stop_requested: StopRequested) -> None:
    """Train decoder and transformer, resuming from what the folder contains.

    Args:
        run: the run.
        listener: receiver of progress.
        stop_requested: polled after every clip and step; True stops the training.

    Raises:
        Interrupted: a stop was requested; the same run resumes from there.
        ConfigError: the folder contains another training.
        TrainingDiverged: a loss is infinite or NaN; what was saved before is kept.
    """
    found: TrainingState | None = None
    with starting_over(listener.say):
        found = TrainingState.read(run.folder)
    _refuse_another(run, found)
    prepare_process(run.threads or num_cores())
    run.folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(run.folder)
    if found is None:  # of a training that is unknown
        _forget_states(run)
        _write_state(run, 0, run.transformer.steps)
    elif damage := found.damaged(run.folder):
        listener.say(damage)
        _forget_states(run)
    clips = _make_clips(run, listener, stop_requested)

    decoder = DecoderLoop(run.decoder, clips, run.seed)

    def save_decoder() -> None:
        decoded, rendered = decoder.held_out()
        listener.say(
            f"decoder step {decoder.step}: {fidelity_db(decoded, rendered):.1f} dB, "
            f"{sharpness_share(decoded, rendered):.3f} of the sharpness of rendered frames"
        )

    _advance(run, decoder, save_decoder, listener, stop_requested)

    transformer = TransformerLoop(run.transformer, clips, run.seed)

    def save_transformer() -> None:
        _save_transformer(run, decoder, transformer, listener)

    _advance(run, transformer, save_transformer, listener, stop_requested)
    losses = transformer.recall_losses()
    if run.transformer.contexts is Contexts.memory and losses and not learned_memory(losses):
        listener.say(
            "This model never learned memory: the loss of blocks where something returns does not "
            f"depend on the context (right frames {losses['right']:.3f}, random ones "
            f"{losses['random']:.3f}). It cannot distinguish strategies; train "
            "longer (transformer.steps=)."
        )


def _refuse_another(run: WorldRun, state: TrainingState | None) -> None:
    if state and (differing := first_difference(state.deciding, run.deciding())):
        raise ConfigError(
            f"{run.folder / STATE} is of a world trained with other settings ({differing}). Set "
            "another out= or delete the folder."
        )


def _forget_states(run: WorldRun) -> None:
    for name in ("decoder.pt", "transformer.pt"):
        (run.folder / name).unlink(missing_ok=True)


def _write_state(run: WorldRun, step: int, steps: int) -> None:
    files = digests(run.folder, [run.weights.name])
    TrainingState(run.command, run.deciding(), (), step, steps, files).write(run.folder)


def _make_clips(run: WorldRun, listener: Listener, stop_requested: StopRequested) -> ClipSet:
    encode = load_encoder()

    with listener.stage("render", {"clips": run.data.clips}, {}) as emit:

        def on_clip(done: int) -> None:
            emit(Event(EventKind.progress, "clips", amount=done))
            if stop_requested():
                raise Interrupted

        path = run.folder / "clips.safetensors"
        clips = ClipSet.load_or_make(path, run.data, run.seed, encode, on_clip, listener.say)
        emit(Event(EventKind.done, "clips"))
    return clips


def _advance(
    run: WorldRun,
    loop: Loop,
    measure: Callable[[], None],
    listener: Listener,
    stop_requested: StopRequested,
) -> None:
    """Make the missing steps of one training; measure and save it on the way."""
    path = run.folder / f"{loop.name}.pt"
    with starting_over(listener.say):
        loop.restore(path)

    def save() -> None:
        with replacing(path) as temporary:
            loop.save(temporary)
        _write_state(run, loop.step, loop.settings.steps)

    with listener.stage("train", {loop.name: loop.settings.steps}, {}) as emit:
        while not loop.finished:
            loop.advance()
            if loop.step % run.save_every == 0 or loop.finished:
                measure()
                loop.recent.clear()
                save()
            emit(Event(EventKind.progress, loop.name, amount=loop.step))
            if stop_requested():
                save()
                raise Interrupted
        emit(Event(EventKind.done, loop.name))


def _save_transformer(
    run: WorldRun, decoder: DecoderLoop, transformer: TransformerLoop, listener: Listener
) -> None:
    step = transformer.step
    losses = {str(kind): loss for kind, loss in transformer.recall_losses().items()}
    line: dict[str, float] = {"step": step, "train_loss": fmean(transformer.recent), **losses}
    transformer.lines.append(line)
    write_curves(run.folder, transformer.lines)
    draw_world_curves(run.folder / "curves.csv")
    weights = StreetWeights(
        run.transformer.dim,
        run.transformer.layers,
        run.decoder.fine,
        run.decoder.coarse,
        step=step,
        losses=losses,
        command=" ".join(run.command),
        scenes=tuple(run.data.scenes),
    )
    model, light = transformer.averaged(), decoder.averaged()
    with replacing(run.weights) as temporary:
        weights.write(temporary, model, light)
    backbone = assemble(street_spec(weights, Precision.float32), model, light)
    picture = sample_strips(backbone, run.data.scenes[0], run.seed)
    with replacing(run.folder / "samples" / f"{step:06}.png") as temporary:
        Image.fromarray(picture.numpy()).save(temporary)
    numbers = "  ".join(f"{key} {value:.3f}" for key, value in line.items() if key != "step")
    listener.say(f"transformer step {step}: {numbers}")
