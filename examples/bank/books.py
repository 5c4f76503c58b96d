"""The bank's books, kept by somebody who was not there: from what the log says, and nothing else."""

from collections import Counter

from bank.events import AccountOpened, TransferCompleted, TransferDebited, TransferRefused, TransferReturned


class Books:
    """Balances, and what is on its way between them. Add the bank's events, causes before their effects."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = {}
        self.on_its_way: dict[str, int] = {}
        self.ends: Counter[str] = Counter()
        """How often each transfer came to an end."""
        self.wrong: list[str] = []
        """What cannot be: an overdraft, money that arrives and was never sent."""

    @property
    def total(self) -> int:
        """All the money there is, wherever it is."""
        return sum(self.balances.values()) + sum(self.on_its_way.values())

    def add(self, event: object) -> None:
        match event:
            case AccountOpened(account_id, balance_cents):
                self.balances[account_id] = balance_cents
            case TransferDebited(transfer_id, source, _, amount_cents):
                self.balances[source] -= amount_cents
                self.on_its_way[transfer_id] = amount_cents
                if self.balances[source] < 0:
                    self.wrong.append(f"{transfer_id} overdraws {source}")
            case TransferCompleted(transfer_id, _, target, amount_cents):
                self._arrive(transfer_id, target, amount_cents)
                self.ends[transfer_id] += 1
            case TransferReturned(transfer_id, source, _, amount_cents):
                self._arrive(transfer_id, source, amount_cents)
            case TransferRefused(transfer_id, _):
                self.ends[transfer_id] += 1

    def _arrive(self, transfer_id: str, account_id: str, amount_cents: int) -> None:
        self.balances[account_id] += amount_cents
        if self.on_its_way.pop(transfer_id, 0) != amount_cents:
            self.wrong.append(f"{amount_cents} cents arrive at {account_id} that {transfer_id} did not send")
