"""Tables of what was compared."""

from dataclasses import dataclass


@dataclass
class Row:
    """One comparison: |ours - reference| <= tolerance. `error` is the standard error of the difference."""

    quantity: str
    ours: float
    reference: float
    error: float
    tolerance: float
    origin: str  # where the tolerance comes from

    @property
    def passed(self):
        return abs(self.ours - self.reference) <= self.tolerance


def table(title, rows, digits=4):
    """Prints rows as a Markdown table and returns whether all passed."""
    print(f"\n## {title}\n")
    print("| quantity | ours | reference | standard error | tolerance | from | |")
    print("|---|---|---|---|---|---|---|")
    for r in rows:
        numbers = " | ".join(f"{x:.{digits}g}" for x in (r.ours, r.reference, r.error, r.tolerance))
        print(f"| {r.quantity} | {numbers} | {r.origin} | {'pass' if r.passed else 'FAIL'} |")
    failed = sum(not r.passed for r in rows)
    print(f"\n{len(rows) - failed} of {len(rows)} pass.")
    return failed == 0
