"""What the page says, in a real browser, when the program is stopped under it."""

from benchmarks.callers import program
from tests.serving import choose_example, slide

LAST = "document.querySelector('{}').textContent.includes('The server is being stopped. Ask again in a minute.')"
UNDER_WAY = "!['', 'Asking', 'Starting'].includes(document.querySelector('.tv-status').textContent)"


def test_a_page_whose_server_is_stopped_says_so_where_it_said_what_goes_on(browser):
    with program() as (url, process), browser.new_context() as context:
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
        process.terminate()
        for page, place in ((asking, ".tv-status"), (compared, ".cp-status")):
            page.wait_for_function(LAST.format(place), timeout=20_000)
        assert compared.get_attribute(".compare", "data-running") == "false"
        process.wait(20)
        assert "is being stopped" in asking.inner_text(".tv-status"), "it stays"
