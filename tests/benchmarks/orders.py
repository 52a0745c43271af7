"""Passages about orders that differ in little but their numbers, and questions that name one of them."""

from random import Random

FORMS = ("{}", "What happened with {}", "Where is order {}?")
EVENTS = (
    "was shipped from the warehouse in {city} on {day} {month} and should arrive within three working days",
    "was returned by the customer in {city} on {day} {month} since the parcel was damaged, and money goes back",
    "waits for payment since {day} {month}, and the customer in {city} was reminded by e-mail",
    "happened to be delivered to a neighbour in {city} on {day} {month}, who has signed for it",
)
CITIES = ("Leipzig", "Lyon", "Porto", "Turku", "Bergen", "Gdansk")
MONTHS = ("January", "March", "May", "July", "September", "November")


def orders(count: int = 600, seed: int = 7) -> dict[str, str]:
    """The text of each order, by its number."""
    random = Random(seed)
    numbers = random.sample(range(10_000, 99_999), count)
    return {f"ORD-2026-{number}": text(f"ORD-2026-{number}", random) for number in numbers}


def text(number: str, random: Random) -> str:
    event = random.choice(EVENTS).format(
        city=random.choice(CITIES), day=random.randint(1, 28), month=random.choice(MONTHS)
    )
    return f"Order {number} {event}. Whoever asks where it is may be told so. The order's total was paid by card."
