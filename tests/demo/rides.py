"""The demo's data: bike rides of an invented city, the same at every run, and what must come out of them."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

BUCKET = "bike-rides"
DATASET = "bikes"
HEADER = "ride_id,bike,started_at,minutes,from_station,to_station,kilometres,member,note"
COLUMNS = tuple(HEADER.split(","))
ROWS_PER_FILE = 30_000
FILES = 4
SEED = 20250401
# The two files for the DAG that fails on purpose.
DAMAGED_FILE_ROWS = 500

STATIONS = (
    *("Alter Hafen", "Brücke am Ost-Ufer", "Café Zoë", "Gare de l'Est", "Łódzka 7", "Markt, Nordseite"),
    *("Piața Unirii", "Plaça de Catalunya", "Rathaus", 'Theater "Die Bühne"', "Universität", "Ørestad Syd"),
    *("Волга", "東京通り", "नया बाज़ार"),
)
BIKES = ("city", "cargo", "electric")
UNFINISHED = 0.01  # one ride in a hundred is still on its way
NOTES = ('said "flat tyre", twice', "chain, again", "löschte sich selbst ab 🚲", "ok; no change", *[""] * 7)


@dataclass(frozen=True)
class Station:
    """What the query must say about one station: rides of members that began there."""

    rides: int
    minutes: int


@dataclass
class Facts:
    """What was written, counted while writing: the demo's results are compared with it."""

    files: int = 0
    rows: int = 0
    row_bytes: int = 0
    damaged_rows: int = 0
    rides: Counter[tuple[str, ...]] = field(default_factory=Counter)
    member_rides: Counter[str] = field(default_factory=Counter)
    member_minutes: Counter[str] = field(default_factory=Counter)

    def stations(self, at_least: int) -> dict[str, Station]:
        """The rows that the demo's query must give: stations with so many rides of members."""
        return {
            name: Station(rides, self.member_minutes[name])
            for name, rides in self.member_rides.items()
            if rides >= at_least
        }


@dataclass
class Extracted:
    """What files hold: how many there are, how many begin with the header, and how often each row occurs."""

    files: int = 0
    headers: int = 0
    rows: Counter[tuple[str, ...]] = field(default_factory=Counter)


def write_rides(buckets: Path, rows_per_file: int = ROWS_PER_FILE, files: int = FILES) -> Facts:
    """Write the rides as gzipped CSV, one file a month, into the bucket's folder.

    Names of stations hold commas, quotes and other alphabets; an empty field is a NULL: a ride that has not
    ended has no minutes and no ``to_station``.
    """
    folder = buckets / BUCKET / "rides"
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(SEED)  # noqa: S311 - the same rides every time are the point
    facts = Facts(files=files)
    for month in range(1, files + 1):
        first_id = facts.rows + 1
        rows = list(_rides(random, datetime(2025, month, 1, tzinfo=UTC), first_id, rows_per_file))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
        content = text.getvalue().encode()
        # mtime=0: the same bytes at every run
        (folder / f"2025-{month:02}.csv.gz").write_bytes(gzip.compress(content, compresslevel=1, mtime=0))
        facts.row_bytes += len(content)
        _count(facts, rows)
    return facts


def write_damaged_rides(buckets: Path) -> int:
    """Write two plain CSV files in which some rows cannot be loaded; returns how many."""
    folder = buckets / BUCKET / "damaged"
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(SEED)  # noqa: S311 - the same rides every time are the point
    good = list(_rides(random, datetime(2025, 5, 1, tzinfo=UTC), 1, DAMAGED_FILE_ROWS))
    bad = {
        "2025-05.csv": {17: (2, "yesterday"), 230: (3, "a quarter of an hour"), 231: (7, "perhaps")},
        "2025-06.csv": {4: (0, "n/a"), 402: (6, "2,5 km")},
    }
    for name, changes in bad.items():
        rows = [list(row) for row in good]
        for row, (column, value) in changes.items():
            rows[row][column] = value
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    return sum(len(changes) for changes in bad.values())


def write_local_file(buckets: Path, folder: Path) -> Path:
    """Unpack one of the files into a folder outside the bucket: what a user has on disk."""
    path = folder / "rides.csv"
    path.write_bytes(gzip.decompress((buckets / BUCKET / "rides" / "2025-01.csv.gz").read_bytes()))
    return path


def read_extracted(buckets: Path, folder: str) -> Extracted:
    """Read the gzipped CSV files of one folder of the bucket."""
    extracted = Extracted()
    for path in sorted((buckets / BUCKET / folder).glob("*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            extracted.files += 1
            extracted.headers += tuple(next(reader, ())) == COLUMNS
            extracted.rows.update(map(tuple, reader))
    return extracted


def _rides(random: Random, month: datetime, first_id: int, count: int) -> Iterator[tuple[str, ...]]:
    """So many rides, spread over 28 days; values are spelled as BigQuery's CSV export spells them."""
    weights = [1 / (place + 1) for place in range(len(STATIONS))]
    starts = random.choices(STATIONS, weights, k=count)
    ends = random.choices(STATIONS, weights, k=count)
    bikes = random.choices(BIKES, k=count)
    members = random.choices(("true", "false"), (7, 3), k=count)
    notes = random.choices(NOTES, k=count)
    step = timedelta(days=28) / count
    for number in range(count):
        ended = random.random() > UNFINISHED
        minutes = int(random.expovariate(1 / 15)) + 1
        metres = minutes * random.randrange(120, 300, 10) + 5  # a last digit that no spelling drops
        yield (
            str(first_id + number),
            bikes[number],
            f"{(month + number * step).replace(tzinfo=None, microsecond=0)} UTC",
            str(minutes) if ended else "",
            starts[number],
            ends[number] if ended else "",
            f"{metres / 1000:.3f}" if ended else "",
            members[number],
            notes[number],
        )


def _count(facts: Facts, rows: list[tuple[str, ...]]) -> None:
    facts.rows += len(rows)
    facts.rides.update(rows)
    for _, _, _, minutes, station, _, _, member, _ in rows:
        if member == "true" and minutes:
            facts.member_rides[station] += 1
            facts.member_minutes[station] += int(minutes)
