from tests.reports.conftest import browser, index, open_page, pristine_store, store  # noqa: F401
