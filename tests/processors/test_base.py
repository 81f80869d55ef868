"""One contract for all processors, on events that hold every collection."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, ClassVar

import awkward as ak
import hist
import numpy as np
import pytest
from coffea.nanoevents import BaseSchema, NanoAODSchema
from coffea.processor import IterativeExecutor, Runner
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import ConfigError, InputError
from overdensity.processors import (
    LAYOUTS,
    DijetProcessor,
    RootSource,
    from_uhi,
    read_events,
    to_uhi,
)
from overdensity.processors.base import ColumnProcessor, Selected
from overdensity.processors.final_states.leptons import LeptonProcessor
from overdensity.processors.final_states.multijet import MultijetProcessor
from overdensity.processors.final_states.single_jets import JetProcessor
from overdensity.processors.jets.momentum import momenta
from overdensity.processors.registry import PROCESSORS, make_processor
from overdensity.processors.steps import Steps

ALL = [
    ("dijet", {}),
    ("dijet", {"collection": "fat_jets", "features": ["tau1", "tau21", "n"]}),
    ("dijet", {"max_abs_eta": 1.2, "min_lead_pt": 500.0, "max_delta_eta": 1.3}),
    ("multijet", {}),
    ("multijet", {"min_jets": 2, "features": ["tau1", "n", "constituents"]}),
    ("multijet", {"collection": "fat_jets", "features": ["tau21"], "max_abs_eta": 1.5}),
    ("multijet", {"collection": "jets", "features": [], "event_features": []}),
    ("jets", {}),
    ("jets", {"collection": "fat_jets", "features": ["tau1"], "max_abs_eta": 1.0, "n_jets": 3}),
    ("leptons", {}),
    ("leptons", {"count_jets": True}),
]
NAMES = [f"{name}-{'-'.join(options)}" for name, options in ALL]


def normal_events(n_events: int, *, seed: int, weighted: bool = False) -> ak.Array:
    """Events with sprays of particles, stored jets and leptons, as a source gives them."""
    rng = np.random.default_rng(seed)
    particles, jets, leptons = [], [], []
    for _ in range(n_events):
        n_sprays = rng.integers(0, 5)
        axes = np.stack([rng.uniform(-2, 2, n_sprays), rng.uniform(-np.pi, np.pi, n_sprays)], 1)
        of_event = [np.zeros((0, 3))]
        for axis in axes:
            n = rng.integers(4, 30)
            pt = rng.exponential(700 / n, n) + 0.5
            of_event.append(np.column_stack([pt, rng.normal(axis, 0.15, (n, 2))]))
        particles.append(np.concatenate(of_event))
        jets.append(np.column_stack([rng.exponential(300, n_sprays) + 20, axes]))
        n = rng.integers(2, 7)
        lepton = [rng.exponential(40, n) + 5, rng.uniform(-2.7, 2.7, n), rng.uniform(-3, 3, n)]
        leptons.append(np.column_stack(lepton))

    def lists(of_events: list[np.ndarray], mass: float, **extras: Any) -> ak.Array:
        flat = np.concatenate([np.zeros((0, 3)), *of_events])
        counts = np.array([len(x) for x in of_events], dtype=np.int64)
        built = momenta(*flat.T, counts, mass=np.full(len(flat), mass))
        for name, values in extras.items():
            built = ak.with_field(built, ak.unflatten(values(len(flat)), counts), name)
        return built

    fields: dict[str, Any] = {
        "particles": lists(particles, 0.0, charge=lambda n: rng.integers(-1, 2, n, dtype=np.int8)),
        "fat_jets": lists(
            jets,
            50.0,
            tau1=lambda n: rng.uniform(0.2, 0.4, n),
            tau2=lambda n: rng.uniform(0, 0.2, n),
            n=lambda n: rng.integers(1, 90, n),
        ),
        "jets": lists(jets, 10.0),
        "leptons": lists(
            leptons,
            0.1,
            pdg_id=lambda n: rng.choice(np.array([-13, -11, 11, 13], dtype=np.int32), n),
            isolation=lambda n: rng.uniform(0, 0.3, n),
            identified=lambda n: rng.uniform(size=n) < 0.95,
        ),
        "event": rng.integers(0, 2**63, n_events).astype(np.uint64),
        "label": rng.integers(0, 2, n_events).astype(np.int8),
    }
    charge = ak.values_astype(-np.sign(fields["leptons"].pdg_id), np.int8)
    fields["leptons"] = ak.with_field(fields["leptons"], charge, "charge")
    if weighted:
        fields["weight"] = rng.normal(1, 0.7, n_events)
    return ak.zip(fields, depth_limit=1)


@pytest.fixture(scope="module")
def events() -> ak.Array:
    return normal_events(80, seed=3)


@pytest.fixture(scope="module")
def weighted() -> ak.Array:
    return normal_events(80, seed=4, weighted=True)


def kinds(columns: dict[str, Any]) -> dict[str, str]:
    """The type of a row of each column."""
    return {
        name: f"{x.dtype} {x.shape[1:]}" if isinstance(x, np.ndarray) else str(x.type.content)
        for name, x in columns.items()
    }


def assert_identical(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert kinds(one) == kinds(other)
    for name, column in one.items():
        if isinstance(column, np.ndarray):
            np.testing.assert_array_equal(column, other[name], err_msg=name)
        else:
            assert ak.array_equal(column, other[name], equal_nan=True), name


@pytest.fixture(params=ALL, ids=NAMES)
def processor(request: pytest.FixtureRequest) -> ColumnProcessor:
    name, options = request.param
    return make_processor(name, **options)


@pytest.fixture(scope="module")
def selections() -> dict[tuple[str, int], Selected]:
    """What was selected already."""
    return {}


@pytest.fixture
def select(
    processor: ColumnProcessor, selections: dict[tuple[str, int], Selected]
) -> Callable[[ak.Array], Selected]:
    """Select events of a module's fixture, by each processor once."""

    def of(events: ak.Array) -> Selected:
        key = json.dumps(processor.settings()), id(events)
        if key not in selections:
            selections[key] = processor.select(events)
        return selections[key]

    return of


def test_every_processor_is_under_the_contract() -> None:
    ours = {DijetProcessor, MultijetProcessor, JetProcessor, LeptonProcessor}
    assert set(PROCESSORS.values()) == ours
    assert {name for name, _ in ALL} == {processor.name for processor in ours}


def test_something_is_selected_and_something_is_not(processor, select, events) -> None:
    cutflow = list(select(events).cutflow.values())
    assert cutflow[0] == len(events)
    assert cutflow == sorted(cutflow, reverse=True)
    assert 5 < cutflow[-1] < len(events)


def test_columns_are_of_one_length_and_in_single_precision(processor, select, events) -> None:
    columns = select(events).columns
    assert len({len(column) for column in columns.values()}) == 1
    for kind in kinds(columns).values():
        assert "float64" not in kind
        assert "?" not in kind
    assert (columns["event"].dtype, columns["label"].dtype) == (np.uint64, np.int8)


def test_events_keep_their_order_and_their_label(processor, select, events) -> None:
    columns = select(events).columns
    place = {event: k for k, event in enumerate(events.event.tolist())}
    places = [place[event] for event in columns["event"].tolist()]
    assert places == sorted(places)
    np.testing.assert_array_equal(columns["label"], events.label[places])


def test_an_empty_chunk_has_the_same_columns(processor, select, events) -> None:
    full, empty = select(events), processor.select(events[:0])
    assert kinds(empty.columns) == kinds(full.columns)
    assert {len(column) for column in empty.columns.values()} == {0}
    assert empty.cutflow == dict.fromkeys(full.cutflow, 0)


def test_a_chunk_of_which_nothing_is_selected_has_the_same_columns(
    processor, select, events
) -> None:
    nothing = ak.with_field(events, ak.Array(events.event), "event")
    for name in ("particles", "fat_jets", "jets", "leptons"):
        nothing[name] = events[name][:, :0]
    full, empty = select(events), processor.select(nothing)
    assert kinds(empty.columns) == kinds(full.columns)
    assert list(empty.cutflow.values())[:3] == [len(events), len(events), 0]


@pytest.mark.parametrize(("n_events", "batch_events"), [(14, 1), (20, 9)])
def test_batches_change_nothing(processor, weighted, n_events, batch_events) -> None:
    few = weighted[:n_events]
    whole = processor.select(few)
    assert list(whole.cutflow.values())[-1] > 0
    split = make_processor(
        processor.name,
        **{k: v for k, v in processor.settings().items() if k != "processor"},
        batch_events=batch_events,
    ).select(few)
    assert split.cutflow == whole.cutflow
    assert split.weighted == whole.weighted
    assert_identical(split.columns, whole.columns)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_events_with_a_bad_momentum_are_dropped_and_counted(processor, events, bad) -> None:
    pt = ak.to_numpy(ak.flatten(events[processor.collections[0]].pt)).copy()
    counts = ak.to_numpy(ak.num(events[processor.collections[0]]))
    place = np.flatnonzero(counts)[10]
    pt[counts[:place].sum()] = bad  # the first of this event
    spoilt = events[:]
    of_event = ak.with_field(events[processor.collections[0]], ak.unflatten(pt, counts), "pt")
    spoilt[processor.collections[0]] = of_event
    selected = processor.select(spoilt)
    whole = processor.select(ak.concatenate([events[:place], events[place + 1 :]]))
    assert list(selected.cutflow.values())[:2] == [len(events), len(events) - 1]
    assert_identical(selected.columns, whole.columns)


def test_a_weight_that_is_not_finite_is_dropped_and_counted(processor, weighted) -> None:
    weight = ak.to_numpy(weighted.weight).copy()
    weight[[2, 5]] = np.nan, np.inf
    spoilt = ak.with_field(weighted, weight, "weight")
    selected = processor.select(spoilt)
    rest = processor.select(weighted[np.isfinite(weight)])
    assert list(selected.cutflow.values())[:2] == [len(weighted), len(weighted) - 2]
    assert_identical(selected.columns, rest.columns)
    assert list(selected.weighted.values())[1:] == list(rest.weighted.values())[1:]
    assert np.isfinite(list(selected.weighted.values())).all()


def test_weights_are_summed_after_each_step(processor, select, weighted) -> None:
    selected = select(weighted)
    assert list(selected.weighted) == list(selected.cutflow)
    weight = dict(zip(weighted.event.tolist(), weighted.weight.tolist(), strict=True))
    kept = np.unique(selected.columns["event"]).tolist()
    assert selected.weighted["events read"] == pytest.approx(sum(weight.values()))
    assert list(selected.weighted.values())[-1] == pytest.approx(sum(weight[e] for e in kept))
    expected = [weight[event] for event in selected.columns["event"].tolist()]
    np.testing.assert_array_equal(selected.columns["weight"], np.float32(expected))


def test_events_without_weight_have_no_weighted_cutflow(processor, select, events) -> None:
    selected = select(events)
    assert selected.weighted == {}
    assert "weight" not in selected.columns


def test_histograms_hold_the_columns(processor, select, weighted) -> None:
    columns = select(weighted).columns
    for weight in (None, columns["weight"]):
        given = {k: v for k, v in columns.items() if k != "weight" or weight is not None}
        histograms = processor.histograms(given)
        assert set(histograms) == set(processor.axes) & set(columns)
        for name, histogram in histograms.items():
            edges = histogram.axes[0].edges
            inside = (columns[name] >= edges[0]) & (columns[name] < edges[-1])
            of_inside = None if weight is None else weight[inside].astype(np.float64)
            expected, _ = np.histogram(columns[name][inside], edges, weights=of_inside)
            np.testing.assert_allclose(histogram.values(), expected, atol=1e-5)
            assert from_uhi(to_uhi(histogram)) == histogram


def test_settings_are_plain_json_and_make_the_processor_again(processor) -> None:
    settings = json.loads(json.dumps(processor.settings()))
    again = make_processor(settings.pop("processor"), **settings)
    assert again == processor
    assert not {"view", "batch_events"} & set(settings)


def test_processors_travel_to_workers(processor, events) -> None:
    assert pickle.loads(pickle.dumps(processor)) == processor
    with pytest.raises(FrozenInstanceError):
        processor.batch_events = 3


def test_the_runner_gets_what_it_adds_up(processor, select, weighted) -> None:
    result = processor.process(weighted)
    selected = select(weighted)
    assert result["cutflow"] == selected.cutflow
    assert result["cutflow_weighted"] == selected.weighted
    assert result["hists"] == processor.histograms(selected.columns)
    assert processor.postprocess(result) is result


def test_a_view_is_applied_first(events) -> None:
    processor = JetProcessor(view=lambda few: few[:7])
    assert processor.process(events)["cutflow"]["events read"] == 7


def test_events_that_lack_a_collection_are_refused(processor, events) -> None:
    first = processor.collections[0]
    with pytest.raises(InputError, match=f"{processor.name} processor needs {first}"):
        processor.select(ak.without_field(events, first))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dijets", {}, "no processor 'dijets': did you mean 'dijet'"),
        ("dijet", {"radios": 0.8}, "no option 'radios': did you mean 'radius'"),
        ("dijet", {"view": len}, "no option 'view'"),
        ("dijet", {"radius": "big"}, "dijet: radius is 'big'; it must be a finite number"),
        ("dijet", {"radius": 0}, "radius is 0.0; it must be positive"),
        ("dijet", {"min_jet_pt": -5}, "min_jet_pt is -5; it must be a finite number, not negative"),
        ("dijet", {"min_lead_pt": float("nan")}, "min_lead_pt is nan; .* or null"),
        ("dijet", {"features": "tau1"}, "features is 'tau1'; it must be a list of names"),
        ("dijet", {"features": ["tau_1"]}, "'tau_1': did you mean 'tau1'"),
        ("dijet", {"collection": "fatjets"}, "from 'fatjets': did you mean 'fat_jets'"),
        ("dijet", {"batch_events": 0}, "batch_events is 0; it must be at least 1"),
        ("dijet", {"batch_events": 2.5}, "batch_events is 2.5; it must be a whole number"),
        ("dijet", {"batch_events": True}, "batch_events is True; it must be a whole number"),
        ("multijet", {"min_jets": 4}, "min_jets is 4; it must be 2 or 3"),
        ("multijet", {"event_features": ["m_rds"]}, "'m_rds': did you mean 'm_rsd'"),
        ("jets", {"n_jets": 0}, "n_jets is 0; it must be at least 1, or null"),
        ("leptons", {"count_jets": "yes"}, "count_jets is 'yes'; it must be true or false"),
        ("leptons", {"max_isolation": [1]}, "max_isolation is .*; it must be a finite number"),
    ],
)
def test_options_that_cannot_be_are_refused(name, options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make_processor(name, **options)


RUNS = [
    ("delphes_qcd", BaseSchema, "delphes", "dijet", {}),
    ("pfnano", BaseSchema, "nano", "dijet", {"radius": 0.8}),
    ("delphes_ttbar", BaseSchema, "delphes", "multijet", {}),
    ("pfnano", NanoAODSchema, "nano", "jets", {"collection": "fat_jets", "features": ["tau21"]}),
    ("delphes_zz4l", BaseSchema, "delphes", "leptons", {"count_jets": True}),
]


@pytest.mark.parametrize("case", RUNS, ids=lambda case: f"{case[3]}-{case[0]}-{case[1].__name__}")
@pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")
def test_processors_drop_into_a_runner(shared_data, case) -> None:
    file, schema, layout, name, options = case
    path = str(shared_data / "root" / f"{file}.root")
    processor = make_processor(name, **options)
    view = LAYOUTS[layout].view(*processor.collections)
    run = Runner(
        executor=IterativeExecutor(), schema=schema, chunksize=130 if file == "delphes_qcd" else 600
    )
    result = run(
        {"data": [path]},
        processor_instance=dataclasses.replace(processor, view=view),
        treename=LAYOUTS[layout].trees[0],
    )
    events = read_events(RootSource(), path, collections=processor.collections)
    selected = processor.select(events)
    assert list(selected.cutflow.values())[-1] > 0
    assert result["cutflow"] == selected.cutflow
    assert result["cutflow_weighted"] == pytest.approx(selected.weighted)
    for key, histogram in processor.histograms(selected.columns).items():
        np.testing.assert_allclose(
            result["hists"][key].values(flow=True), histogram.values(flow=True)
        )


def test_a_processor_of_ones_own_is_one_class(events) -> None:
    @dataclass(frozen=True)
    class Softest(ColumnProcessor):
        """The softest particle of each event."""

        least: float = 0.0

        axes: ClassVar[dict[str, Any]] = {"pt": hist.axis.Regular(10, 0, 10, name="pt")}
        collections: ClassVar[tuple[str, ...]] = ("particles",)

        def describe(self, events: Any, steps: Steps) -> tuple[dict[str, Any], np.ndarray]:
            pt = ak.to_numpy(ak.min(events.particles.pt, axis=1))
            steps.cut("hard enough", pt > self.least)
            return {"pt": pt[steps.kept]}, np.flatnonzero(steps.kept)

    selected = Softest(least=1.0).select(events)
    expected = ak.to_numpy(ak.min(events.particles.pt, axis=1))
    np.testing.assert_allclose(selected.columns["pt"], expected[expected > 1.0], rtol=1e-6)
    assert list(selected.cutflow) == ["events read", "finite particles", "hard enough"]


NUMBERS = st.floats(width=64) | st.sampled_from([0.0, -1.0, 1e38, 1e39, 1e100, 1e300, 20.0, 500.0])


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=2, max_size=2))
def test_columns_are_finite_whatever_an_event_holds(jets):
    """Finite were particles of 1e39 GeV, before they were written in single precision."""
    good = [(600.0, 0.5, 0.0, 50.0), (500.0, -0.5, 3.0, 40.0)]
    pt, eta, phi, mass = np.array([*jets, *good]).T
    events = ak.zip(
        {"jets": momenta(pt, eta, phi, np.array([2, 2]), mass=mass), "event": [1, 2]}, depth_limit=1
    )
    selected = DijetProcessor(collection="jets", features=()).select(events)
    assert 2 in selected.columns["event"]
    for column in selected.columns.values():
        assert np.all(np.isfinite(column))
    of_one = selected.columns["mjj"][selected.columns["event"] == 1]
    assert np.all(of_one < 2.1e6)


@pytest.mark.parametrize("kind", [np.float64, np.int32, np.bool_])
def test_what_is_masked_is_never_what_lies_below_the_mask(kind):
    @dataclass(frozen=True)
    class Masking(ColumnProcessor):
        collections = ("jets",)

        def describe(self, events, steps):
            values = np.ma.masked_array(np.ones(len(events), kind), mask=[True, False])
            option = ak.mask(ak.Array(np.ones(len(events), kind)), [True, False])
            return {"numpy": values, "awkward": option}, np.arange(len(events))

    jets = momenta(np.ones(2), np.zeros(2), np.zeros(2), np.array([1, 1]))
    events = ak.zip({"jets": jets, "event": [1, 2]}, depth_limit=1)
    columns = Masking().select(events).columns
    np.testing.assert_array_equal(columns["numpy"], [np.nan, 1])
    np.testing.assert_array_equal(columns["awkward"], [1, np.nan])


def test_events_without_an_id_are_refused():
    jets = momenta(np.ones(2), np.zeros(2), np.zeros(2), np.array([1, 1]))
    event = ak.mask(ak.Array([1, 2]), [True, False])
    with pytest.raises(InputError, match="1 of 2 events have no id"):
        JetProcessor(collection="jets", features=()).select(
            ak.zip({"jets": jets, "event": event}, depth_limit=1)
        )


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"event": [1.0, np.nan]}, "column 'event': 1 of 2 values"),
        ({"event": [1.0, 0.5]}, "column 'event': 1 of 2 values"),
        ({"event": [1, 2], "label": [0, 200]}, "column 'label': 1 of 2 values, the first 200"),
        ({"event": [1, 2], "label": [0, -1]}, "column 'label': 1 of 2 values, the first -1"),
        ({"event": [1, 2], "label": ak.Array([0, None])}, "column 'label': 1 of 2 values"),
    ],
)
def test_ids_and_truth_of_any_source_are_what_they_say(fields, complaint):
    jets = momenta(np.ones(2), np.zeros(2), np.zeros(2), np.array([1, 1]))
    with pytest.raises(InputError, match=complaint):
        JetProcessor(collection="jets", features=()).select(
            ak.zip({"jets": jets, **fields}, depth_limit=1)
        )


def test_large_ids_of_real_numbers_stay_apart():
    ids = 2.0**40 + np.arange(20)
    jets = momenta(np.full(20, 300.0), np.zeros(20), np.zeros(20), np.ones(20, int))
    events = ak.zip({"jets": jets, "event": ids}, depth_limit=1)
    columns = JetProcessor(collection="jets", features=()).select(events).columns
    assert len(np.unique(columns["event"])) == 20
