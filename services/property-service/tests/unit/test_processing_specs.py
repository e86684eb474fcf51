from property_service.processing.job import specs
from property_service.settings import Settings


def test_attempts_and_back_off_follow_the_settings() -> None:
    [standard] = specs(Settings())
    assert (standard.max_attempts, standard.backoff) == (3, 3600)
    [own] = specs(Settings(max_job_retries=5, job_retry_delay_hours=0.5))
    assert (own.type, own.max_attempts, own.backoff) == ("client.process", 5, 1800)
