"""One account with sessions and a connection to every worker, for tests of a single scenario."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from tests.integration.finality.harness.people import Journal, Person, Session
from tests.pods.connections import Answer, Connection, Connections, Request
from tests.pods.pod import Pod, wait_for

ME, LOGOUT = "/api/v1/users/me", "/api/v1/auth/logout"


class Client:
    """A person with connections to all workers of `pods`."""

    def __init__(self, pods: Sequence[Pod]) -> None:
        self.connections = Connections({pod.name: pod.port for pod in pods}, workers=2)
        self.person = self._registered()

    def _registered(self) -> Person:
        """A new person; a request soon after an outage may be answered 503, as after the test before."""
        journal, made = Journal(), list[Person | None]()

        def register() -> bool:
            made.append(Person.register(self.connections.all()[0], journal))
            return made[-1] is not None or journal.operations[-1].status != 503

        wait_for(register, "an account")
        person = made[-1]
        assert person is not None, f"no account could be made: {journal.operations[-1]}"
        return person

    def log_in(self) -> Session:
        session = self.person.log_in(self.connections.all()[0], Journal())
        assert session is not None, "no session could be opened"
        return session

    def read(self, session: Session, connection: Connection | None = None) -> Answer:
        return (connection or self.connections.all()[0]).send(Request("GET", ME, token=session.token))

    def statuses(self, session: Session) -> set[int]:
        """The statuses that the workers of all pods give to the session's token."""
        return {self.read(session, each).status for each in self.connections.all()}

    def wait_until(self, session: Session, status: int) -> None:
        """Wait until every worker answers the session's token with `status`."""
        wait_for(lambda: self.statuses(session) == {status}, f"{status} from every worker")

    def close(self) -> None:
        self.connections.close()


@contextmanager
def client_of(pods: Sequence[Pod]) -> Iterator[Client]:
    client = Client(pods)
    try:
        yield client
    finally:
        client.close()


def log_out(session: Session, scope: str = "") -> Request:
    return Request("POST", LOGOUT + (f"?scope={scope}" if scope else ""), token=session.token)


@contextmanager
def in_flight(requests: Sequence[tuple[Connection, Request]]) -> Iterator[list["Future[Answer]"]]:
    """Send them all at once, each on its own connection; the block ends when all are answered."""
    with ThreadPoolExecutor(len(requests)) as executor:
        yield [executor.submit(connection.send, request) for connection, request in requests]
