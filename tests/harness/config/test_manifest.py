from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from harness.config.manifest import read_manifest
from harness.core.errors import LongtakeError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    videos = tmp_path / "videos"
    videos.mkdir()
    return videos


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write(tmp_path: Path, *lines: object, name: str = "list.jsonl") -> Path:
    path = tmp_path / name
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def test_a_line_names_its_video_whatever_the_file_name(tmp_path: Path, folder: Path) -> None:
    names = ["a_b_0.mp4", "with space.webm", 'it\'s "quoted".mov', "日本 vidéo.mp4", "deep/er.mkv"]
    touch(folder, *names)
    lines = [{"video": name, "prompt": f"prompt {i}", "seed": i} for i, name in enumerate(names)]
    manifest = read_manifest(folder, write(tmp_path, *lines))
    assert [video.path.relative_to(folder).as_posix() for video in manifest.videos] == names
    assert [video.prompt for video in manifest.videos] == [f"prompt {i}" for i in range(5)]
    assert [video.id for video in manifest.videos] == names
    assert manifest.unlisted == ()


def test_an_array_of_lines_and_the_map_of_vbench_are_manifests(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(folder, "a.mp4", "deep/b.mp4")
    prompts = {"a.mp4": "one", "deep/b.mp4": "two"}
    array = json.dumps([{"video": name, "prompt": text} for name, text in prompts.items()])
    monkeypatch.chdir(folder.parent)
    from_here = {f"{folder.name}/{name}": text for name, text in prompts.items()}
    for content in (array, json.dumps(prompts), json.dumps(from_here, indent=1)):
        found = read_manifest(Path(folder.name), write(tmp_path, content, name="p.json")).videos
        assert {video.id: video.prompt for video in found} == prompts
    for content, message in (
        ("3", "Expected an array of objects with video and prompt, or a map"),
        ("{", "not valid JSON.* Expected an array"),
        ('[{"video": "a.mp4"}]', r"p\.json, entry 1: expected an object with video and prompt"),
        ('{"a.mp4": 3}', r"p\.json, entry 1: expected an object with video and prompt"),
        ("{}", "matches none of the 2 videos"),
    ):
        with pytest.raises(LongtakeError, match=message):
            read_manifest(folder, write(tmp_path, content, name="p.json"))


def test_prompts_to_evaluate_with_may_differ(tmp_path: Path, folder: Path) -> None:
    touch(folder, "a.mp4")
    line = {"video": "a.mp4", "prompt": "long", "evaluation_prompt": "short", "id": "x"}
    (video,) = read_manifest(folder, write(tmp_path, line)).videos
    assert (video.prompt, video.evaluation_prompt, video.id) == ("long", "short", "x")


def test_blank_lines_count_and_a_byte_order_mark_does_not(tmp_path: Path, folder: Path) -> None:
    touch(folder, "a.mp4")
    line = {"video": "a.mp4", "prompt": "one\u2028two"}
    path = write(tmp_path, "\ufeff" + json.dumps(line, ensure_ascii=False), "", {"video": "b.mp4"})
    with pytest.raises(LongtakeError, match="line 3: expected an object with video and prompt"):
        read_manifest(folder, path)
    path = write(tmp_path, "\ufeff" + json.dumps(line, ensure_ascii=False))
    assert [video.prompt for video in read_manifest(folder, path).videos] == ["one\u2028two"]


def test_null_means_the_same_as_leaving_out(tmp_path: Path, folder: Path) -> None:
    touch(folder, "a.mp4")
    line = {"video": "a.mp4", "prompt": "p", "evaluation_prompt": None, "id": None}
    (video,) = read_manifest(folder, write(tmp_path, line)).videos
    assert (video.evaluation_prompt, video.id) == ("p", "a.mp4")


def test_videos_without_a_line_are_listed(tmp_path: Path, folder: Path) -> None:
    touch(folder, "a.mp4", "b.mp4", "notes.txt", ".hidden.mp4")
    manifest = read_manifest(folder, write(tmp_path, {"video": "a.mp4", "prompt": "p"}))
    assert [path.name for path in manifest.unlisted] == ["b.mp4"]


def test_folders_that_vbench_wrote_are_counted_and_left_out(tmp_path: Path, folder: Path) -> None:
    clips = [f"split_clip/a-0/a-0_{index}.mp4" for index in range(3)]
    touch(folder, "a-0.mp4", *clips, "b_cat_firstframes_videos/b.mp4", "split/c.mp4")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a\n")
    manifest = read_manifest(folder, prompts)
    assert [video.path.name for video in manifest.videos] == ["a-0.mp4"]
    assert [path.name for path in manifest.unlisted] == ["c.mp4"]
    assert manifest.num_of_vbench == 4
    listed = write(tmp_path, {"video": clips[0], "prompt": "p"})
    assert read_manifest(folder, listed).num_of_vbench == 3


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a red ball-0.mp4", "a dog-3.mp4"], [("a red ball", 0), ("a dog", 3)]),
        (["0-0_ema.mp4", "1-2.mp4"], [("a red ball", 0), ("a dog", 2)]),
        (["rank3-1-0_lora.mp4"], [("a dog", 0)]),
    ],
    ids=["vbench", "self_forcing", "longlive"],
)
def test_layouts_of_public_repositories(
    tmp_path: Path, folder: Path, names: list[str], expected: list[tuple[str, int]]
) -> None:
    touch(folder, *names)
    prompts = write(tmp_path, "a red ball", "a dog", name="prompts.txt")
    videos = read_manifest(folder, prompts).videos
    found = {(video.prompt, video.seed) for video in videos}
    assert found == set(expected)


def test_names_cut_after_100_characters_are_matched_only_if_unambiguous(
    tmp_path: Path, folder: Path
) -> None:
    stem = "x" * 100
    touch(folder, f"{stem}-0.mp4", "unknown-0.mp4")
    one = write(tmp_path, f"{stem} and more", "other", name="one.txt")
    manifest = read_manifest(folder, one)
    assert [video.prompt for video in manifest.videos] == [f"{stem} and more"]
    assert [path.name for path in manifest.unlisted] == ["unknown-0.mp4"]
    two = write(tmp_path, f"{stem} one", f"{stem} two", name="two.txt")
    with pytest.raises(LongtakeError, match="matches none of the 2 videos"):
        read_manifest(folder, two)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "line 1: not valid JSON"),
        ("[1]", "line 1: expected `object`, got `array`"),
        ({"video": "a.mp4"}, "line 1: expected an object with video and prompt"),
        ({"video": "a.mp4", "prompt": "p", "sed": 1}, "Did you mean 'seed'"),
        ({"video": "a.mp4", "prompt": "p", "seed": "1"}, "seed is '1'"),
        ({"video": "a.mp4", "prompt": "p", "evaluation_prompt": 3}, "evaluation_prompt is 3"),
        ({"video": "a.mp4", "prompt": "p", "id": ["x"]}, "id is \\['x'\\]"),
    ],
)
def test_malformed_lines_are_named(
    tmp_path: Path, folder: Path, line: object, message: str
) -> None:
    touch(folder, "a.mp4")
    with pytest.raises(LongtakeError, match=message):
        read_manifest(folder, write(tmp_path, line))


def test_doubles_are_refused(tmp_path: Path, folder: Path) -> None:
    touch(folder, "a.mp4", "b.mp4")
    same_id = [{"video": f"{name}.mp4", "prompt": "p", "id": "1"} for name in "ab"]
    with pytest.raises(LongtakeError, match="two videos have the id '1' and seed 0"):
        read_manifest(folder, write(tmp_path, *same_id))
    same_file = [{"video": "a.mp4", "prompt": "p", "id": i} for i in range(2)]
    with pytest.raises(LongtakeError, match=r"'a\.mp4' is listed twice"):
        read_manifest(folder, write(tmp_path, *same_file))
    with pytest.raises(LongtakeError, match="no such folder"):
        read_manifest(tmp_path / "none", tmp_path / "list.jsonl")


@pytest.mark.parametrize(("stored", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_and_prompts_match_in_any_unicode_normal_form(
    tmp_path: Path, folder: Path, stored: Literal["NFC", "NFD"], written: Literal["NFC", "NFD"]
) -> None:
    prompt = unicodedata.normalize(written, "a café on a hill")
    file = unicodedata.normalize(stored, "a café on a hill-0.mp4")
    touch(folder, file)
    by_name = read_manifest(folder, write(tmp_path, prompt, name="p.txt"))
    line = {"video": unicodedata.normalize(written, file), "prompt": prompt}
    by_line = read_manifest(folder, write(tmp_path, line))
    for manifest in (by_name, by_line):
        (video,) = manifest.videos
        assert (video.path.name, video.prompt) == (file, prompt)
        assert manifest.unlisted == ()


def test_a_prompt_that_stands_twice_in_the_prompt_file_is_one_prompt(
    tmp_path: Path, folder: Path
) -> None:
    touch(folder, "two dogs-0.mp4", "two dogs-1.m4v", "a cat-0.gif")
    path = write(tmp_path, "two dogs", "a cat", "two dogs", name="p.txt")
    manifest = read_manifest(folder, path)
    found = {(video.path.name, video.prompt, video.id, video.seed) for video in manifest.videos}
    assert found == {
        ("two dogs-0.mp4", "two dogs", "0001", 0),
        ("two dogs-1.m4v", "two dogs", "0001", 1),
        ("a cat-0.gif", "a cat", "0002", 0),
    }


@pytest.mark.parametrize(
    ("content", "kind"), [("é".encode("utf-16"), "UTF-16"), (b"caf\xe9", "not UTF-8")]
)
def test_a_manifest_in_another_encoding_is_named_as_such(
    tmp_path: Path, folder: Path, content: bytes, kind: str
) -> None:
    path = tmp_path / "list.jsonl"
    path.write_bytes(content)
    with pytest.raises(LongtakeError, match=f"list.jsonl' is {kind}; save it as UTF-8"):
        read_manifest(folder, path)


def test_lines_may_end_as_on_windows(tmp_path: Path, folder: Path) -> None:
    touch(folder, "a.mp4")
    path = tmp_path / "list.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"video": "a.mp4", "prompt": "p"}\r\n\r\n')
    (video,) = read_manifest(folder, path).videos
    assert video.prompt == "p"
