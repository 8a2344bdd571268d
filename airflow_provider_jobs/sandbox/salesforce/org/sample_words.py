"""Words of the sample records: many scripts, and everything that breaks careless readers of CSV."""

from __future__ import annotations

FIRST_NAMES = (
    "Ada", "José", "Zoë", "Grace", "Łukasz", "明", "Anne-Marie", "Søren", "Olga", "Ольга", "Amélie", "Iñigo",
    "さくら", "Noah", "Mia", "Élodie", "Björn", "Χρήστος", "محمد", "Priya", "प्रिया", "Jean Paul", "Maya",
    "Tomás", "Ngọc", "Dilşah", "Robin", "Kim", "지훈", "Frank", "Rosa", "Alex",
)  # fmt: skip

LAST_NAMES = (
    "Müller", "O'Brien", "Nguyễn", "García", "山田", "Smith", "Van der Berg", "Kowalski", "Иванова",
    "D'Angelo", "Ångström", "Novák", "Lovelace", "Hopper", "Öztürk", "Παπαδόπουλος", "Cohen", "김", "Singh",
    "Şahin",
    "Ре\u0301пин", "de\u0301tente",  # noqa: RUF001 - Cyrillic, and marks apart from their letters
    "Jones", "Black, Jr.", 'Hill "Hal"', "Fischer", "Diaz", "Brown", "Tanaka", "Ali", "Fitz-Gerald", "Weiß",
    "Çelik", "Lindqvist", "Moreau", "Silva", "Rossi", "Meyer", "Adeyemi", "Zhang",
)  # fmt: skip

COMPANIES = (
    "Acme", "Globex", "Überwerk", "Smith & Sons", "Café Central", "東京製作所", "Nordic Ore", "100% Cotton",
    "Under_score Ltd", 'The "Quoted" Company', "Sunrise, Inc.", "Полярис", "Blue Harbour", "Emoji 🚀 Labs",
    "Ñandú S.A.", "Delta",
)  # fmt: skip

CITIES = (
    "Berlin", "San José", "Zürich", "Kraków", "東京", "New York", "São Paulo", "Αθήνα", "Reykjavík", "Oslo",
    "Montréal", "İstanbul", "Hà Nội", "القاهرة", "Dublin", "Perth",
)  # fmt: skip

COUNTRIES = ("Germany", "USA", "Switzerland", "Poland", "Japan", "Brazil", "Greece", "Norway")

INDUSTRIES = ("Agriculture", "Banking", "Biotechnology", "Education", "Energy", "Retail", "Shipping")

TITLES = (
    "CEO", "VP, Sales", 'Head of "Special" Projects', "Engineer\tIII", " Director ", "Chief 🐙 Officer",
    "Lead; Field | Operations", "R&D ^ `ops`", "Ingénieure", "部長",
)  # fmt: skip

INTERESTS = ("Sailing", "Chess", "Opera", "Cycling", "Cooking", "Astronomy")

# What a long text may hold: each of these has broken some client.
AWKWARD_TEXTS = (
    "first line\nsecond line",
    "first line\r\nsecond line\r\n",
    'she said ""no"", then "yes"',
    '"',
    "a,b;c|d^e`f\tg",
    "NUL \x00 inside",
    "\x00",
    "line\u2028separator\u2029paragraph\x85next",
    "  blanks before and after  ",
    "\n",
    "carriage\rreturn",
    "family 👨\u200d👩\u200d👧\u200d👦, flag 🇳🇴, tone 👍🏽",
    "e\u0301 is not é; a\u0308\u0323 has two marks",
    "日本語のテキスト、改行\nあり",
    "العربية من اليمين إلى اليسار",
    '","',
    '"\n"',
    "#N/A",
    "null",
    "\ufeffbyte order mark",
    "=1+1",
    "back\\slash and 'quote'",
    "\x01\x1f\x7f control characters",
    "\U0010ffff\ue000 at the edges of Unicode",
)
