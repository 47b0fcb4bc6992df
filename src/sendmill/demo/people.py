"""The people of the sample campaign, and the file that is uploaded. Pure, and the same every time.

Their addresses are in the domains that RFC 2606 (section 3) reserves for examples: nobody has them.
"""

import csv
import io
import itertools
from typing import NamedTuple

COLUMNS = ("name", "email", "city")
NAME_INDEX = COLUMNS.index("name")
EMAIL_INDEX = COLUMNS.index("email")

_DOMAINS = ("example.com", "example.org", "example.net")


class Person(NamedTuple):
    """One row of the file."""

    name: str
    email: str
    city: str


class _Place(NamedTuple):
    """First and last names of one place, each with its spelling in ASCII for the address."""

    city: str
    first: tuple[tuple[str, str], ...]
    last: tuple[tuple[str, str], ...]
    order: str = "{first} {last}"


_PLACES = (
    _Place(
        "Dublin",
        (("Siân", "sian"), ("Patrick", "patrick"), ("Zoë", "zoe"), ("Conor", "conor"), ("Áine", "aine")),
        (("O'Brien", "obrien"), ("Byrne", "byrne"), ("Walsh", "walsh"), ("Ó Sé", "ose"), ("McCarthy", "mccarthy")),
    ),
    _Place(
        "Łódź",
        (("Łukasz", "lukasz"), ("Grażyna", "grazyna"), ("Paweł", "pawel"), ("Agnieszka", "agnieszka"), ("Jan", "jan")),
        (("Wiśniewski", "wisniewski"), ("Nowak", "nowak"), ("Wójcik", "wojcik"), ("Zając", "zajac"), ("Król", "krol")),
    ),
    _Place(
        "Αθήνα",
        (("Ελένη", "eleni"), ("Γιώργος", "giorgos"), ("Σοφία", "sofia"), ("Νίκος", "nikos"), ("Άννα", "anna")),
        (("Παππάς", "pappas"), ("Κώστα", "kosta"), ("Δήμου", "dimou"), ("Ιωάννου", "ioannou"), ("Βασιλείου", "vas")),
    ),
    _Place(
        "Київ",
        (("Олена", "olena"), ("Тарас", "taras"), ("Ірина", "iryna"), ("Юлія", "yuliia"), ("Богдан", "bohdan")),
        (("Шевченко", "shevchenko"), ("Коваль", "koval"), ("Бойко", "boiko"), ("Мороз", "moroz"), ("Лисенко", "lys")),
    ),
    _Place(
        "القاهرة",
        (("ليلى", "layla"), ("عمر", "omar"), ("نور", "nour"), ("سمير", "samir"), ("هدى", "hoda")),
        (("حسن", "hassan"), ("منصور", "mansour"), ("فهمي", "fahmy"), ("سالم", "salem"), ("نجيب", "naguib")),
    ),
    _Place(
        "תל אביב",
        (("נועה", "noa"), ("דוד", "david"), ("תמר", "tamar"), ("יונתן", "yonatan"), ("מאיה", "maya")),
        (("כהן", "cohen"), ("לוי", "levi"), ("מזרחי", "mizrahi"), ("פרץ", "peretz"), ("אברהם", "avraham")),
    ),
    _Place(
        "मुंबई",
        (("अनीता", "anita"), ("राहुल", "rahul"), ("प्रिया", "priya"), ("विक्रम", "vikram"), ("मीरा", "meera")),
        (("शर्मा", "sharma"), ("पटेल", "patel"), ("जोशी", "joshi"), ("राव", "rao"), ("देसाई", "desai")),
    ),
    _Place(
        "กรุงเทพ",
        (("สมชาย", "somchai"), ("มาลี", "malee"), ("อนันต์", "anan"), ("สุดา", "suda"), ("วิชัย", "wichai")),
        (("ใจดี", "jaidee"), ("สุขสม", "suksom"), ("ทองดี", "thongdee"), ("แก้วใส", "kaewsai"), ("บุญมา", "boonma")),
    ),
    _Place(
        "北京",
        (("伟", "wei"), ("芳", "fang"), ("敏", "min"), ("静", "jing"), ("小龙", "xiaolong")),
        (("王", "wang"), ("李", "li"), ("张", "zhang"), ("刘", "liu"), ("欧阳", "ouyang")),
        "{last}{first}",
    ),
    _Place(
        "東京",
        (("花子", "hanako"), ("太郎", "taro"), ("さくら", "sakura"), ("健", "ken"), ("ユミ", "yumi")),
        (("佐藤", "sato"), ("鈴木", "suzuki"), ("高橋", "takahashi"), ("渡辺", "watanabe"), ("小林", "kobayashi")),
        "{last} {first}",
    ),
    _Place(
        "서울",
        (("민준", "minjun"), ("서연", "seoyeon"), ("지훈", "jihun"), ("하은", "haeun"), ("유진", "yujin")),
        (("김", "kim"), ("이", "lee"), ("박", "park"), ("최", "choi"), ("정", "jung")),
        "{last}{first}",
    ),
    _Place(
        "Zürich",
        (("Jürg", "juerg"), ("Reto", "reto"), ("Françoise", "francoise"), ("Ülkü", "uelkue"), ("Beat", "beat")),
        (("Müller", "mueller"), ("Rüegg", "rueegg"), ("Gößli", "goessli"), ('"Fritz" Meier', "meier"), ("Bär", "baer")),
    ),
)  # fmt: skip

PEOPLE = tuple(
    Person(
        place.order.format(first=first, last=last),
        f"{ascii_first}.{ascii_last}@{domain}",
        place.city,
    )
    for place, domain in zip(_PLACES, itertools.cycle(_DOMAINS), strict=False)
    for (first, ascii_first), (last, ascii_last) in itertools.product(place.first, place.last)
)
"""Everybody with an address that mail can be sent to."""

OPTED_OUT = next(person for person in PEOPLE if person.email == "conor.walsh@example.com")
"""One of them, who wants no mail."""

SHOWN = next(person for person in PEOPLE if person.email == "hanako.sato@example.com")
"""One of them, whose message the demo shows."""

INVALID = Person("Somebody Else", "somebody(at)example.com", "Nowhere")
"""A row whose address is none."""

_ROWS_BEFORE_INVALID = len(PEOPLE) // 2

INVALID_LINE = 1 + _ROWS_BEFORE_INVALID + 1
"""The line of the file, counted from 1, where that row stands."""


def contacts_csv() -> bytes:
    """The file: a header, everybody, and the invalid row in their midst. UTF-8."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerows([*PEOPLE[:_ROWS_BEFORE_INVALID], INVALID, *PEOPLE[_ROWS_BEFORE_INVALID:]])
    return text.getvalue().encode()
