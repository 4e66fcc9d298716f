"""Suggestions of the mapping: what is sure is exact and fits nobody else; everything else is left to a person."""

from uuid import UUID

import pytest

from connectors.matching import Certainty, Party, Reason, Suggestion, digest_of, plain_name, suggestions

SURE, LIKELY, AMBIGUOUS = Certainty.SURE, Certainty.LIKELY, Certainty.AMBIGUOUS


def customer(number: int, name: str, *domains: str) -> Party:
    return Party(str(UUID(int=number)), name, domains)


def found(customers: list[Party], clients: list[Party]) -> dict[int, tuple[Certainty, Reason, tuple[str, ...]]]:
    return {each.customer.int: (each.certainty, each.reason, each.clients) for each in suggestions(customers, clients)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alder Dental Ltd", "ALDER DENTAL"),
        ("Alder Dental Ltd.", "Alder Dental, Limited"),
        ("Birch Logistik GmbH & Co. KG", "Birch Logistik"),
        ("Cedar Legal L.L.C.", "Cedar Legal LLC"),
        ("Sportverein Elm e. V.", "Sportverein Elm"),
        ("Fir s.r.o.", "Fir"),
        ("The Grove Company, Inc.", "Grove"),
        ("O'Hara & Sons", "OHara and Sons"),
        ("Ｈｅｒｏｎ　Ｌｔｄ", "Heron"),  # noqa: RUF001 -- letters of another width, as NFKC brings together
        ("STRASSE AG", "Straße AG"),
        ("Cafe\u0301 Iris", "Caf\u00e9 Iris"),
    ],
)
def test_one_company_has_one_plain_name(one: str, other: str) -> None:
    assert plain_name(one) == plain_name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Alder Dental", "Alder Legal"), ("Grove North", "Grove"), ("3M", "3N"), ("Ltd", "Inc")]
)
def test_two_companies_have_two(one: str, other: str) -> None:
    assert plain_name(one) != plain_name(other)


def test_a_domain_goes_before_the_name() -> None:
    customers = [customer(1, "Alder", "alder.example", "alder.test")]
    clients = [Party("11", "Dr. Somebody", ("alder.test",)), Party("12", "Elm")]

    assert found(customers, clients) == {1: (SURE, Reason.DOMAIN, ("11",))}


def test_an_exact_name_is_sure_where_nobody_else_has_it() -> None:
    assert found([customer(1, "Alder Ltd")], [Party("11", "ALDER"), Party("12", "Birch")]) == {
        1: (SURE, Reason.NAME, ("11",))
    }


@pytest.mark.parametrize(
    ("customers", "clients"),
    [
        ([customer(1, "Alder")], [Party("11", "Alder"), Party("12", "Alder Ltd")]),
        ([customer(1, "Alder", "a.example")], [Party("11", "X", ("a.example",)), Party("12", "Y", ("a.example",))]),
        # The domain says one thing, the name another.
        ([customer(1, "Alder", "a.example")], [Party("11", "Alder"), Party("12", "Birch", ("a.example",))]),
    ],
)
def test_what_fits_several_clients_is_ambiguous(customers: list[Party], clients: list[Party]) -> None:
    certainty, _, named = found(customers, clients)[1]

    assert (certainty, set(named)) == (AMBIGUOUS, {"11", "12"})


@pytest.mark.parametrize(
    ("customers", "client"),
    [
        ([customer(1, "Alder"), customer(2, "Alder Ltd")], Party("11", "Alder")),
        ([customer(1, "X", "a.example"), customer(2, "Y", "a.example")], Party("11", "Z", ("a.example",))),
        ([customer(1, "Alder"), customer(2, "Birch", "a.example")], Party("11", "Alder", ("a.example",))),
    ],
)
def test_what_fits_several_customers_is_ambiguous_for_each(customers: list[Party], client: Party) -> None:
    assert {certainty for certainty, *_ in found(customers, [client]).values()} == {AMBIGUOUS}


def test_domain_and_name_together_settle_what_each_leaves_open() -> None:
    """A parent and its subsidiary, at one domain."""
    customers = [customer(1, "Alder", "alder.example"), customer(2, "Alder Leasing", "alder.example")]
    clients = [Party("11", "Alder", ("alder.example",)), Party("12", "Alder Leasing", ("alder.example",))]

    assert found(customers, clients) == {
        1: (SURE, Reason.DOMAIN_AND_NAME, ("11",)),
        2: (SURE, Reason.DOMAIN_AND_NAME, ("12",)),
    }


def test_where_everybody_has_an_address_says_nothing() -> None:
    assert found([customer(1, "Alder", "gmail.com")], [Party("11", "Birch", ("gmail.com",))]) == {}


def test_a_near_name_is_likely_and_never_sure() -> None:
    customers = [customer(1, "Contoso Pharmaceuticals"), customer(2, "Dental Alder")]
    clients = [Party("11", "Contso Pharmaceuticals"), Party("12", "Alder Dental"), Party("13", "Elm")]

    assert found(customers, clients) == {
        1: (LIKELY, Reason.NEAR_NAME, ("11",)),
        2: (LIKELY, Reason.NEAR_NAME, ("12",)),
    }


def test_a_near_name_of_two_is_ambiguous() -> None:
    near = [Party("11", "Contoso Pharmaceutical 1"), Party("12", "Contoso Pharmaceutical 2")]

    assert found([customer(1, "Contoso Pharmaceutical 3")], near)[1][0] is AMBIGUOUS
    two = [customer(1, "Contoso Pharmaceuticals A"), customer(2, "Contoso Pharmaceuticals B")]
    assert {each[0] for each in found(two, [Party("11", "Contoso Pharmaceuticals C")]).values()} == {AMBIGUOUS}


def test_what_is_exact_for_somebody_is_not_near_for_another() -> None:
    customers = [customer(1, "Alder Dental Group North"), customer(2, "Alder Dental Group Nord")]

    assert found(customers, [Party("11", "Alder Dental Group North")]) == {1: (SURE, Reason.NAME, ("11",))}


def test_nothing_is_suggested_for_names_without_letters() -> None:
    assert found([customer(1, "---")], [Party("11", "..."), Party("12", "")]) == {}


def test_no_client_is_sure_or_likely_twice_however_many_there_are() -> None:
    customers = [customer(n + 1, f"Company {n % 90} of Springfield {'Ltd' * (n % 2)}") for n in range(300)]
    clients = [Party(str(n), f"Company {n} of Sprngfield", ()) for n in range(150)]

    chosen = [each.clients for each in suggestions(customers, clients) if each.certainty is not AMBIGUOUS]

    assert len(chosen) == len(set(chosen))


def test_the_digest_is_of_exactly_these_pairs() -> None:
    def sure(number: int, client: str) -> Suggestion:
        return Suggestion(UUID(int=number), (client,), SURE, Reason.NAME)

    first = digest_of([sure(1, "11"), sure(2, "12")])

    assert first == digest_of([sure(2, "12"), sure(1, "11")])
    assert len({first, digest_of([sure(1, "11")]), digest_of([sure(1, "12"), sure(2, "11")])}) == 3
