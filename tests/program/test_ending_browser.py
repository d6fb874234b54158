"""What the program says when it is stopped, to programs and in a real browser, and what it leaves."""

from benchmarks.callers import program
from tests.program.test_watch import stop_while_a_table_goes_on
from tests.serving import choose_example, slide

LAST = "document.querySelector('{}').textContent.includes('The server is being stopped. Ask again in a minute.')"
UNDER_WAY = "!['', 'Asking', 'Starting'].includes(document.querySelector('.tv-status').textContent)"


def test_at_its_end_the_program_says_so_to_all_who_wait_and_leaves_nothing(browser, tmp_path):
    with program(TMPDIR=str(tmp_path)) as (url, process), browser.new_context() as context:
        assert list(tmp_path.iterdir())
        asking, compared = context.new_page(), context.new_page()
        for page in (asking, compared):
            page.goto(url)
            page.wait_for_selector('#view .trace-view[data-done="true"]', timeout=60_000)
            choose_example(page, 5, "Describe")
        compared.get_by_role("tab", name="Compare").click()
        slide(compared, "#compare-tokens", 512)
        compared.click("#compare")
        compared.wait_for_selector('.compare[data-running="true"]')
        asking.get_by_text("Answer", exact=True).click()
        slide(asking, "#tokens", 512)
        asking.click("#ask")
        asking.wait_for_function(UNDER_WAY, timeout=60_000)
        assert b"The server is being stopped." in stop_while_a_table_goes_on(url, process.terminate)
        for page, place in ((asking, ".tv-status"), (compared, ".cp-status")):
            page.wait_for_function(LAST.format(place), timeout=90_000)
        assert compared.get_attribute(".compare", "data-running") == "false"
        process.wait(20)
        assert "is being stopped" in asking.inner_text(".tv-status"), "it stays"
    assert list(tmp_path.iterdir()) == []
