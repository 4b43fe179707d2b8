"""Every fenced block of README and docs runs in a test, or stands here with the reason why it cannot."""

import ast

import pytest
import test_pages
from code_blocks import DOCS, ROOT, blocks_of, pages

# The function that runs the blocks of a page and language, by page.
RUN_BY = {
    ("README.md", "python"): "test_readme.py:test_five_minutes_print_what_the_readme_says",
    ("README.md", "text"): "test_readme.py:test_five_minutes_print_what_the_readme_says",
    ("docs/guide.md", "python"): "test_readme.py:test_code_of_the_guide_runs",
    ("docs/first-hour.md", "python"): "test_first_hour.py:test_the_first_hour_goes_as_it_is_written",
    ("docs/models.md", "toml"): "test_models_page.py:test_a_model_of_another_package",
    ("docs/rules.md", "text"): "test_rules_page.py:test_the_formula_compiles_to_what_the_page_shows",
    ("docs/rules.md", "toml"): "test_rules_page.py:test_a_rule_of_another_package",
    ("docs/sweeps.md", "python"): "test_sweeps_page.py:test_code_of_the_page_runs",
    ("docs/sweeps.md", "text"): "test_sweeps_page.py:test_code_of_the_page_runs",
}
# Where the blocks of one language have tests of their own, in their order.
ONE_BY_ONE = {
    ("docs/models.md", "python"): (
        "test_models_page.py:test_its_first_code_runs",
        "test_models_page.py:test_its_graded_network_runs",
        "test_models_page.py:test_a_model_of_another_package",
    ),
    ("docs/rules.md", "python"): (
        "test_rules_page.py:test_the_first_code_learns",
        "test_rules_page.py:test_the_formula_compiles_to_what_the_page_shows",
        "test_rules_page.py:test_a_rule_of_another_package",
        "test_rules_page.py:test_its_rules_see_spikes_as_they_arrive",
        "test_rules_page.py:test_its_lasting_variables_are_those_of_bcm",
        "test_rules_page.py:test_its_reward_moves_weights",
        "test_rules_page.py:test_its_reward_moves_weights",
        "test_rules_page.py:test_its_rule_reads_states_of_both_ends",
        "test_rules_page.py:test_its_thresholds_move",
        "test_rules_page.py:test_its_thresholds_move",
        "test_rules_page.py:test_its_synapses_die",
        "test_rules_page.py:test_its_synapses_die",
        "test_rules_page.py:test_its_recording_learns_as_one_run",
        "test_rules_page.py:test_its_hidden_layer_learns",
        "test_rules_page.py:test_its_layers_learn_what_is_true",
    ),
}
# By page and a line of the block: why no test runs it.
NOT_RUN = {
    ("README.md", "make demo "): "it installs from a package index, as .ci/run does",
    ("README.md", "pip install 'ssdp-hw[brian2"): "it installs from a package index",
    (
        "README.md",
        "ssdp-hw check net.nir --preset snntorch",
    ): "docs/pipeline.md runs both commands",
    ("CONTRIBUTING.md", "make test "): "it runs this test",
    (
        "docs/models.md",
        "pytest -p ssdp_hw.testing.plugin",
    ): "tests/test_testing.py runs that line",
    (
        "docs/rules.md",
        "pytest -p ssdp_hw.testing.plugin",
    ): "tests/test_testing.py runs that line",
    ("docs/sweeps.md", 'study = "quantised"'): "tests/test_sweep_command.py runs study files",
}


def unknown(blocks):
    """Blocks that no test and no reason is known of."""
    here = {f"docs/{page}" for page in test_pages.PAGES}
    counted: dict[tuple[str, str], int] = {}
    for block in blocks:
        key = (block.page, block.language)
        counted[key] = counted.get(key, 0) + 1
        by_reason = any(block.page == page and line in block.text for page, line in NOT_RUN)
        one_by_one = counted[key] <= len(ONE_BY_ONE.get(key, ()))
        if not (block.page in here or key in RUN_BY or one_by_one or by_reason):
            yield block


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_is_run_or_has_its_reason(page):
    missing = [str(block) for block in unknown(blocks_of(page))]
    assert missing == [], "add the page to PAGES of tests/test_pages.py, or name here the test that runs the block"


def test_every_fence_is_a_block_that_is_seen():
    for page in pages():
        fences = sum(line.lstrip().startswith("```") for line in page.read_text(encoding="utf-8").splitlines())
        assert fences == 2 * len(blocks_of(page)), f"{page}: a fence is indented or never closed"


def test_the_tests_that_are_named_are_there_and_read_the_page():
    for (page, _), named in [*RUN_BY.items(), *((k, one) for k, many in ONE_BY_ONE.items() for one in many)]:
        file, _, function = named.partition(":")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert function in {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}, named
        assert page.rpartition("/")[2] in text, f"{file} does not read {page}"


def test_reasons_and_pages_are_of_blocks_that_are_there():
    every = [block for page in pages() for block in blocks_of(page)]
    for page, line in NOT_RUN:
        assert any(block.page == page and line in block.text for block in every), (page, line)
    for page in test_pages.PAGES:
        assert blocks_of(DOCS / page), page


def test_a_new_block_without_a_test_is_seen(tmp_path, monkeypatch):
    import code_blocks

    monkeypatch.setattr(code_blocks, "ROOT", tmp_path)
    page = tmp_path / "new.md"
    page.write_text("# New\n\n```python\nprint(1)\n```\n", encoding="utf-8")
    assert [str(block) for block in unknown(blocks_of(page))] == ["new.md:3"]
