"""A headless Chromium as the tests of the console use it: by what a person sees and presses."""

import contextlib
import pathlib
import time

import pytest
from cluster import DEADLINE_SECONDS

CHROMIUM = pathlib.Path("/usr/bin/chromium")
DRIVER = pathlib.Path("/usr/bin/chromedriver")


class Browser:
    """One window. Fails the test that leaves errors in the browser's own log."""

    def __init__(self, directory):
        if not CHROMIUM.exists() or not DRIVER.exists():
            pytest.skip("there is no Chromium: scripts/setup installs it on Debian; Ubuntu has it only as a snap")
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run",
                     "disable-background-networking", "force-color-profile=srgb", "hide-scrollbars",
                     f"user-data-dir={directory}/profile"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(str(DRIVER)), options=options)
        self.driver.set_script_timeout(DEADLINE_SECONDS)
        self.downloads = pathlib.Path(directory) / "downloads"
        self.downloads.mkdir()
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior",
                                    {"behavior": "allow", "downloadPath": str(self.downloads)})
        self.size(1280, 900)

    def close(self):
        self.driver.quit()

    # --- the window ---

    def open(self, url):
        self.driver.get(url)
        return self

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def colours(self, scheme):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def picture(self, path):
        self.driver.save_screenshot(str(path))

    def complaints(self):
        """What the browser itself has complained of since the last call; requests that fail are not its business."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]
                and "net::ERR_" not in entry["message"]]

    # --- what is on it ---

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector):
        """What can be read there; nothing if it is not there or hidden."""
        return self.script("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector)

    def texts(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)", selector)

    def until(self, condition, what):
        """The first true result. What the page is just replacing counts as "not yet"."""
        from selenium.common.exceptions import StaleElementReferenceException, NoSuchElementException
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            with contextlib.suppress(StaleElementReferenceException, NoSuchElementException):
                if result := condition():
                    return result
            assert time.monotonic() < deadline, f"waited in vain for {what}; the page says:\n{self.text('body')}"
            time.sleep(0.02)

    def until_text(self, selector, words):
        return self.until(lambda: words in self.text(selector), f"{words!r} in {selector}")

    # --- what a person does ---

    def click(self, selector):
        self.until(lambda: self.all(selector), selector)[0].click()

    def button(self, words, within="body"):
        """The visible button, link or summary with this label."""
        return self.until(lambda: next(
            (found for found in self.all(f"{within} button, {within} a, {within} summary")
             if found.is_displayed() and words in (found.text, found.accessible_name)), None), f"a button {words!r}")

    def press_button(self, words, within="body"):
        self.button(words, within).click()

    def keys(self, *keys):
        from selenium.webdriver import ActionChains
        ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, modifier, key):
        from selenium.webdriver import ActionChains
        ActionChains(self.driver).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def focused(self):
        return self.driver.switch_to.active_element

    def focus_name(self):
        return self.focused().accessible_name
