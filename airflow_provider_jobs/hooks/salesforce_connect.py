"""Settings become a client: one for all hooks of equal settings in this process."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce import SalesforceClient
from airflow_provider_jobs.hooks.salesforce_tokens import LoginToken, OrgToken, token_for, transport_of

if TYPE_CHECKING:
    from airflow_provider_jobs.core.jobs import JobRef
    from airflow_provider_jobs.core.retry import RetryPolicy
    from airflow_provider_jobs.hooks.salesforce_credentials import SalesforceSettings


class DiscardingClient(SalesforceClient):
    """A client that leaves nothing of the jobs which it cancels."""

    def cancel(self, ref: JobRef) -> None:
        """Abort a job, see it end, and delete it; what is complete may still be wanted, and stays."""
        self.discard(ref)


@lru_cache(maxsize=32)
def shared_client(settings: SalesforceSettings, *, delete_cancelled: bool) -> SalesforceClient:
    """Return the one client of these settings in this process.

    :raises AuthenticationError: Salesforce refuses the login.
    """
    kind = DiscardingClient if delete_cancelled else SalesforceClient
    return _client(kind, settings, token_for(settings), None)


def fresh_client(settings: SalesforceSettings, retry: RetryPolicy) -> SalesforceClient:
    """Return a client that logs in by itself, whatever became of the login that others share."""
    shared = token_for(settings)
    token = LoginToken(settings) if isinstance(shared, LoginToken) else shared
    return _client(SalesforceClient, settings, token, retry)


def _client(
    kind: type[SalesforceClient], settings: SalesforceSettings, token: OrgToken, retry: RetryPolicy | None
) -> SalesforceClient:
    return kind(
        transport_of(settings, token, retry),
        token.instance_url,
        version=settings.version,
        client_id=settings.client_id,
        api_usage_limit=settings.api_usage_limit,
        retry=retry,
    )
