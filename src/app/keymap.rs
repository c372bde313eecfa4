//! The one key table. Dispatch, footer and help read these rows, so none of them can lie about another.

use std::borrow::Cow;

use strum::{EnumString, IntoStaticStr, VariantNames};

use super::key::{Key, KeyCode};

/// Where a key is pressed: the focused pane, or what covers the panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Services,
    Alerts,
    Baseline,
    Analysis,
    Trace,
    /// One span of a trace, over the whole screen.
    Span,
    /// A trace beside a normal one.
    Compare,
    /// The attributes that separate slow traces from normal ones.
    Attributes,
    /// All that is known of an alert or an incident.
    Incident,
    /// One operation over time.
    Trends,
    /// The 168 hours of the week of one operation.
    Week,
    /// One service with its operations.
    Service,
    /// Which service calls which.
    Map,
    /// The arithmetic of the alert test.
    Why,
    /// The question about a new level.
    Level,
    /// Acknowledgements and silences, or the noise ledger.
    Acts,
    /// The question whether one of them is to end.
    EndAct,
    /// An acknowledgement or a silence is being typed.
    ActForm,
    /// A note is being written.
    Note,
    /// The filter is being typed.
    Filter,
    /// The help is open; what is typed searches it.
    Help,
    /// The palette is open; what is typed finds an action.
    Palette,
}

/// What a key does. Each is carried out in one place, `App::perform`. Its name in the configuration is `open-trace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Unfold,
    Fold,
    /// What the row is about.
    OpenSelected,
    OpenTrace,
    NextPart,
    PreviousPart,
    WriteNote,
    SaveNote,
    LeaveNote,
    OpenService,
    OpenMap,
    SortOtherwise,
    /// The list of the map, or its graph.
    OtherForm,
    ShowAlertsOfService,
    NextSlow,
    PreviousSlow,
    FoldQuiet,
    FoldEverything,
    UnfoldEverything,
    OnlyCritical,
    OpenDetail,
    Compare,
    ShowAttributes,
    ShowInWaterfall,
    CloseDetail,
    /// The operation of what is selected, over time.
    ShowTrends,
    NextPlot,
    PreviousPlot,
    ColumnBack,
    ColumnForward,
    HourBack,
    HourForward,
    ZoomIn,
    ZoomOut,
    OpenSlowCall,
    Analyse,
    Explain,
    OpenWeek,
    NextOperation,
    PreviousOperation,
    NextMetric,
    ShowChanges,
    HourBefore,
    HourAfter,
    AskAboutLevel,
    NextLevel,
    ConfirmLevel,
    MinuteBack,
    MinuteForward,
    Acknowledge,
    Silence,
    RateUseful,
    RateNoise,
    OpenActs,
    OtherActs,
    AskToEnd,
    ConfirmEnd,
    NextField,
    PreviousField,
    SubmitForm,
    CloseForm,
    /// The newest act, or a recalculation that is newer.
    Undo,
    Copy,
    Link,
    Recalculate,
    Rehearse,
    /// The severity of the digit that was pressed, and worse.
    SeverityAndWorse,
    AllSeverities,
    StartFilter,
    OlderFilter,
    NewerFilter,
    KeepFilter,
    DropFilter,
    NextPane,
    PreviousPane,
    Back,
    OpenHelp,
    CloseHelp,
    OpenPalette,
    ClosePalette,
    RunChosen,
    Freeze,
    SwitchClock,
    PollNow,
    Redraw,
    Suspend,
    Interrupt,
    Leave,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    pub keys: Cow<'static, [Key]>,
    pub action: Action,
    pub places: Cow<'static, [Place]>,
    /// What it does, as the help says it.
    pub help: &'static str,
    /// The word in the footer; `None` for keys that everybody knows or rarely needs.
    pub footer: Option<&'static str>,
    /// The action that opened the view which this row leaves: the same key, wherever it is put.
    pub closes: Option<Action>,
}

use Place::{
    ActForm, Acts, Alerts, Analysis, Attributes, Baseline, Compare, EndAct, Filter, Help, Incident, Level, Map, Note,
    Palette, Service, Services, Span, Trace, Trends, Week, Why,
};

const LISTS: &[Place] = &[
    Services, Alerts, Analysis, Trace, Span, Compare, Attributes, Incident, Trends, Week, Service, Map, Why, Level,
    Acts, EndAct, Help, Palette,
];
/// The four panes.
pub const PANES: &[Place] = &[Services, Alerts, Baseline, Analysis];
/// The panes, and the page of what is selected in them.
const MATTERS: &[Place] = &[Services, Alerts, Baseline, Analysis, Incident];
const ACTING: &[Place] = &[Services, Alerts, Baseline, Analysis, Incident, Acts];
const SPANS: &[Place] = &[Services, Alerts, Baseline, Analysis, Trace, Span, Incident];
/// Where one operation is selected.
const OPERATIONS: &[Place] = &[Services, Alerts, Baseline, Analysis, Trace, Span, Incident, Service, Trends];
/// Where one goes from to the map.
const MAPPED: &[Place] = &[Services, Alerts, Baseline, Analysis, Service];
/// Where baselines are recalculated and levels decided.
const BASELINES: &[Place] = &[Services, Alerts, Baseline, Analysis, Week];
const LEVELS: &[Place] = &[Services, Alerts, Baseline, Analysis, Incident, Week];
const UNDOING: &[Place] = &[Services, Alerts, Baseline, Analysis, Incident, Week, Acts];
const VIEWS: &[Place] = &[
    Services, Alerts, Baseline, Analysis, Trace, Span, Compare, Attributes, Incident, Trends, Week, Service, Map, Why,
    Level, Acts, EndAct,
];
/// The views that ask nothing: a question has its keys for itself.
const SCREENS: &[Place] = &[
    Services, Alerts, Baseline, Analysis, Trace, Span, Compare, Attributes, Incident, Trends, Week, Service, Map, Why,
    Acts,
];
const EVERYWHERE: &[Place] = &[
    Services, Alerts, Baseline, Analysis, Trace, Span, Compare, Attributes, Incident, Trends, Week, Service, Map, Why,
    Level, Acts, EndAct, ActForm, Note, Filter, Help, Palette,
];
/// Where typing does not make text.
const NO_TEXT: &[Place] = &[
    Services, Alerts, Analysis, Trace, Span, Compare, Attributes, Incident, Trends, Week, Service, Map, Why, Level,
    Acts, EndAct,
];

const fn c(c: char) -> Key {
    Key::char(c)
}

const fn k(code: KeyCode) -> Key {
    Key::plain(code)
}

const ALT_ENTER: Key = Key { alt: true, ..Key::plain(KeyCode::Enter) };

const fn row(
    keys: &'static [Key],
    action: Action,
    places: &'static [Place],
    help: &'static str,
    footer: Option<&'static str>,
) -> Binding {
    Binding { keys: Cow::Borrowed(keys), action, places: Cow::Borrowed(places), help, footer, closes: None }
}

/// The key that opened a view closes it.
const fn closing(keys: &'static [Key], opened: Action, places: &'static [Place]) -> Binding {
    Binding {
        keys: Cow::Borrowed(keys),
        action: Action::Back,
        places: Cow::Borrowed(places),
        help: "back one step",
        footer: None,
        closes: Some(opened),
    }
}

/// In the order of the footer and the help: what belongs to a place first, then movement, then what works everywhere.
pub const TABLE: &[Binding] = &[
    row(
        &[k(KeyCode::Enter)],
        Action::OpenSelected,
        &[Alerts, Baseline, Analysis],
        "all of it, or its trace",
        Some("open"),
    ),
    row(&[c('!')], Action::AskAboutLevel, LEVELS, "accept or undo a level", Some("level")),
    row(&[c('u')], Action::Undo, UNDOING, "undo an act or a recalc", Some("undo")),
    row(&[k(KeyCode::Tab)], Action::NextPart, &[Incident], "next part of the page", Some("part")),
    row(&[k(KeyCode::BackTab)], Action::PreviousPart, &[Incident], "previous part", None),
    row(&[k(KeyCode::Enter)], Action::OpenService, &[Services], "all of the service", Some("open")),
    row(&[k(KeyCode::Enter)], Action::OpenSelected, &[Service], "its trace, or neighbour", Some("open")),
    row(&[k(KeyCode::Enter)], Action::OpenSelected, &[Map], "all of the service", Some("service")),
    row(&[c('A')], Action::ShowAlertsOfService, &[Services, Service], "alerts of the service", Some("its alerts")),
    row(&[c('S')], Action::SortOtherwise, &[Service], "sort by something else", Some("sort")),
    row(&[k(KeyCode::Tab)], Action::NextPart, &[Service], "next list", Some("list")),
    row(&[k(KeyCode::BackTab)], Action::PreviousPart, &[Service], "previous list", None),
    row(&[k(KeyCode::Tab)], Action::OtherForm, &[Map], "list, or graph", Some("list, graph")),
    row(&[k(KeyCode::Right), c('l')], Action::Unfold, &[Map], "in the graph to the right", None),
    row(&[k(KeyCode::Left), c('h')], Action::Fold, &[Map], "in the graph to the left", None),
    row(&[c('y')], Action::ConfirmLevel, &[Level], "do what is written here", Some("do it")),
    row(&[c('!')], Action::NextLevel, &[Level], "the accepted level before", None),
    row(&[k(KeyCode::Enter)], Action::KeepFilter, &[Filter], "keep the filter", Some("keep")),
    row(&[k(KeyCode::Up), Key::ctrl('p')], Action::OlderFilter, &[Filter], "a filter of before", Some("earlier")),
    row(&[k(KeyCode::Down), Key::ctrl('n')], Action::NewerFilter, &[Filter], "a later one", None),
    row(&[k(KeyCode::Esc)], Action::DropFilter, &[Filter], "filter as it was before", Some("as before")),
    row(&[k(KeyCode::Esc), k(KeyCode::F(1)), c('?')], Action::CloseHelp, &[Help], "close the help", Some("close")),
    row(&[k(KeyCode::Enter)], Action::RunChosen, &[Palette], "do what is chosen", Some("do it")),
    row(&[k(KeyCode::Esc)], Action::ClosePalette, &[Palette], "close the palette", Some("close")),
    row(&[k(KeyCode::Enter)], Action::OpenDetail, &[Trace], "everything about the span", Some("span")),
    row(&[k(KeyCode::Enter)], Action::CloseDetail, &[Span], "back to the waterfall", Some("waterfall")),
    row(&[c('J')], Action::NextSlow, &[Trace, Span], "next slow or failed span", Some("next slow")),
    row(&[c('K')], Action::PreviousSlow, &[Trace, Span], "previous slow or failed", None),
    row(&[k(KeyCode::Enter)], Action::ShowInWaterfall, &[Compare], "its span in the waterfall", Some("span")),
    row(&[c('J')], Action::NextSlow, &[Compare], "next that explains much", Some("next large")),
    row(&[c('K')], Action::PreviousSlow, &[Compare], "previous that does", None),
    row(&[c('c')], Action::Compare, &[Trace, Span, Attributes], "beside a normal trace", Some("compare")),
    closing(&[c('c')], Action::Compare, &[Compare]),
    row(&[c('d')], Action::ShowAttributes, &[Trace, Span, Compare], "attributes of slow traces", Some("differs")),
    closing(&[c('d')], Action::ShowAttributes, &[Attributes]),
    row(&[k(KeyCode::Right), c('l')], Action::Unfold, &[Trace], "unfold, or go in", Some("unfold")),
    row(&[k(KeyCode::Left), c('h')], Action::Fold, &[Trace], "fold, or go out", Some("fold")),
    row(&[c('L')], Action::UnfoldEverything, &[Trace], "unfold every span", None),
    row(&[c('H')], Action::FoldEverything, &[Trace], "fold every span", None),
    row(&[c('F')], Action::FoldQuiet, &[Trace], "fold quiet and alike", None),
    row(&[c('p')], Action::OnlyCritical, &[Trace], "critical path only, or all", Some("path")),
    row(&[k(KeyCode::Tab)], Action::NextPlot, &[Trends], "next view", Some("view")),
    row(&[k(KeyCode::BackTab)], Action::PreviousPlot, &[Trends], "previous view", None),
    row(&[k(KeyCode::Left), c('h')], Action::ColumnBack, &[Trends], "a column back", None),
    row(&[k(KeyCode::Right), c('l')], Action::ColumnForward, &[Trends], "a column forward", Some("column")),
    row(&[c('{')], Action::HourBack, &[Trends], "an hour back", None),
    row(&[c('}')], Action::HourForward, &[Trends], "an hour forward", Some("hour")),
    row(&[c('z')], Action::ZoomIn, &[Trends], "zoom in: a shorter time", Some("zoom in")),
    row(&[c('Z')], Action::ZoomOut, &[Trends], "zoom out: a longer time", Some("out")),
    row(&[k(KeyCode::Enter), c('T')], Action::OpenSlowCall, &[Trends], "trace of the slow call", Some("trace")),
    row(&[c('c')], Action::Compare, &[Trends], "beside a normal trace", Some("compare")),
    row(&[c('a')], Action::Analyse, &[Trends], "analyse it with the model", Some("analyse")),
    closing(&[c('t')], Action::ShowTrends, &[Trends]),
    row(&[c('a')], Action::Analyse, SPANS, "analyse it with the model", Some("analyse")),
    row(&[c('w')], Action::Explain, MATTERS, "why an alert, or why none", Some("why")),
    row(
        &[c('x')],
        Action::Acknowledge,
        &[Alerts, Baseline, Analysis, Incident],
        "acknowledge, with an end",
        Some("ack"),
    ),
    row(&[c('s')], Action::Silence, ACTING, "silence what matches", Some("silence")),
    row(&[c('T')], Action::OpenTrace, &[Alerts, Baseline, Analysis, Incident], "trace of the slow span", Some("trace")),
    row(&[c('/')], Action::StartFilter, PANES, "filter the alerts", Some("filter")),
    row(
        &[c('t')],
        Action::ShowTrends,
        &[Services, Alerts, Baseline, Analysis, Trace, Span, Compare, Attributes, Incident, Service, Week],
        "the operation over time",
        Some("trends"),
    ),
    row(&[c('b')], Action::OpenWeek, OPERATIONS, "its week, hour by hour", Some("week")),
    closing(&[c('b')], Action::OpenWeek, &[Week]),
    row(&[c('m')], Action::OpenMap, MAPPED, "who calls whom", Some("map")),
    closing(&[c('m')], Action::OpenMap, &[Map]),
    row(&[k(KeyCode::Tab)], Action::NextOperation, &[Week], "next operation", Some("next op")),
    row(&[k(KeyCode::BackTab)], Action::PreviousOperation, &[Week], "previous operation", None),
    row(&[k(KeyCode::Right), c('l')], Action::HourAfter, &[Week], "an hour later", None),
    row(&[k(KeyCode::Left), c('h')], Action::HourBefore, &[Week], "an hour earlier", None),
    row(&[c('m')], Action::NextMetric, &[Week], "shade by another metric", Some("metric")),
    row(&[c('d')], Action::ShowChanges, &[Week], "cells that changed", Some("changes")),
    row(&[k(KeyCode::Enter)], Action::SubmitForm, &[ActForm], "do it", Some("do it")),
    row(&[k(KeyCode::Tab), k(KeyCode::Down)], Action::NextField, &[ActForm], "next field", Some("next field")),
    row(&[k(KeyCode::BackTab), k(KeyCode::Up)], Action::PreviousField, &[ActForm], "previous field", None),
    row(&[k(KeyCode::Esc)], Action::CloseForm, &[ActForm], "leave it", Some("leave it")),
    row(&[c('d')], Action::AskToEnd, &[Acts], "end the ack or silence", Some("end it")),
    row(&[c('y')], Action::ConfirmEnd, &[EndAct], "end it", Some("end it")),
    row(&[k(KeyCode::Tab)], Action::OtherActs, &[Acts], "acks, or the noise ledger", Some("other page")),
    row(&[c('n')], Action::WriteNote, &[Alerts, Incident], "write a note on it", Some("note")),
    row(&[k(KeyCode::Right), c('l')], Action::Unfold, &[Alerts], "show its alerts or spans", Some("unfold")),
    row(&[k(KeyCode::Left), c('h')], Action::Fold, &[Alerts], "hide its alerts or spans", None),
    row(&[Key::ctrl('s'), ALT_ENTER], Action::SaveNote, &[Note], "save the note", Some("save")),
    row(&[k(KeyCode::Esc)], Action::LeaveNote, &[Note], "leave it, unsaved", Some("leave it")),
    row(&[c('+')], Action::RateUseful, &[Alerts, Incident], "rate: woken rightly", None),
    row(&[c('-')], Action::RateNoise, &[Alerts, Incident], "rate: noise", None),
    row(&[c('X')], Action::OpenActs, MATTERS, "acks, silences, noise", Some("acks")),
    closing(&[c('X')], Action::OpenActs, &[Acts]),
    row(&[c('c')], Action::Compare, &[Alerts, Baseline, Analysis, Incident], "beside a normal trace", None),
    row(&[c('[')], Action::MinuteBack, &[Why], "a minute earlier", Some("earlier")),
    row(&[c(']')], Action::MinuteForward, &[Why], "a minute later", Some("later")),
    closing(&[c('w')], Action::Explain, &[Why]),
    row(&[c('r')], Action::Recalculate, BASELINES, "recalculate all baselines", Some("recalc")),
    row(&[c('R')], Action::Rehearse, BASELINES, "rehearse: what it would change", None),
    row(
        &[c('1'), c('2'), c('3'), c('4'), c('5')],
        Action::SeverityAndWorse,
        PANES,
        "that severity and worse",
        Some("sev"),
    ),
    row(&[c('0')], Action::AllSeverities, PANES, "all severities", None),
    row(&[c('y')], Action::Copy, &[Services, Alerts, Baseline], "copy it as text", Some("copy")),
    row(&[c('y')], Action::Copy, &[Trace], "copy the trace id", Some("copy id")),
    row(&[c('y')], Action::Copy, &[Span], "copy the span as text", Some("copy")),
    row(&[c('y')], Action::Copy, &[Compare, Attributes], "copy the comparison", Some("copy")),
    row(&[c('y')], Action::Copy, &[Service], "copy it as text", Some("copy")),
    row(&[c('y')], Action::Copy, &[Map], "copy the list as text", Some("copy")),
    row(&[c('y')], Action::Copy, &[Analysis], "copy facts and answer", Some("copy")),
    row(&[c('y')], Action::Copy, &[Incident], "copy all of it for a chat", Some("copy")),
    row(&[c('y')], Action::Copy, &[Trends], "copy the numbers", Some("copy")),
    row(&[c('y')], Action::Copy, &[Why], "copy the arithmetic", Some("copy")),
    row(&[c('y')], Action::Copy, &[Acts], "copy the row as text", Some("copy")),
    row(&[c('y')], Action::Copy, &[Week], "copy the hour as text", Some("copy")),
    row(
        &[c('o')],
        Action::Link,
        &[Alerts, Baseline, Analysis, Trace, Span, Compare, Attributes, Incident],
        "Jaeger link, and copy it",
        Some("link"),
    ),
    row(&[k(KeyCode::Tab)], Action::NextPane, PANES, "next pane", Some("pane")),
    row(&[k(KeyCode::BackTab)], Action::PreviousPane, PANES, "previous pane", None),
    row(&[k(KeyCode::Up)], Action::Up, LISTS, "up", None),
    row(&[c('k')], Action::Up, NO_TEXT, "up", None),
    row(&[Key::ctrl('p')], Action::Up, &[Palette], "up", None),
    row(&[k(KeyCode::Down)], Action::Down, LISTS, "down", None),
    row(&[Key::ctrl('n')], Action::Down, &[Palette], "down", None),
    row(&[c('j')], Action::Down, NO_TEXT, "down", None),
    row(&[k(KeyCode::PageUp)], Action::PageUp, LISTS, "a page up", None),
    row(&[k(KeyCode::PageDown)], Action::PageDown, LISTS, "a page down", None),
    row(&[c('g'), k(KeyCode::Home)], Action::First, NO_TEXT, "to the first", None),
    row(&[c('G'), k(KeyCode::End)], Action::Last, NO_TEXT, "to the last", None),
    row(&[k(KeyCode::Esc)], Action::Back, VIEWS, "back one step", None),
    row(&[c(' ')], Action::Freeze, SCREENS, "freeze the screen, or go on", Some("freeze")),
    row(&[c('U')], Action::SwitchClock, SCREENS, "UTC, or local time", None),
    row(&[Key::ctrl('r')], Action::PollNow, VIEWS, "poll every source now", None),
    row(&[Key::ctrl('l')], Action::Redraw, EVERYWHERE, "redraw the screen", None),
    row(&[Key::ctrl('z')], Action::Suspend, EVERYWHERE, "suspend to the shell", None),
    row(&[Key::ctrl('c')], Action::Interrupt, EVERYWHERE, "cancel what runs, or quit", None),
    row(&[c(':')], Action::OpenPalette, SCREENS, "find any action by typing", Some("cmd")),
    row(&[c('?'), k(KeyCode::F(1))], Action::OpenHelp, VIEWS, "this help", Some("help")),
    row(&[c('q')], Action::Leave, VIEWS, "leave the view, or quit", Some("quit")),
];

impl Action {
    /// Whether it carries out what a question asks.
    #[must_use]
    pub const fn confirms(self) -> bool {
        matches!(self, Self::ConfirmLevel | Self::ConfirmEnd | Self::SubmitForm)
    }
}

impl Place {
    pub const ALL: &[Self] = &[
        Self::Services,
        Self::Alerts,
        Self::Baseline,
        Self::Analysis,
        Self::Trace,
        Self::Span,
        Self::Compare,
        Self::Attributes,
        Self::Incident,
        Self::Trends,
        Self::Week,
        Self::Service,
        Self::Map,
        Self::Why,
        Self::Level,
        Self::Acts,
        Self::EndAct,
        Self::ActForm,
        Self::Note,
        Self::Filter,
        Self::Help,
        Self::Palette,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Services => "Services",
            Self::Alerts => "Alerts",
            Self::Baseline => "Baseline",
            Self::Analysis => "Analysis",
            Self::Trace => "Trace",
            Self::Span => "Span",
            Self::Compare => "Compare",
            Self::Attributes => "Attributes",
            Self::Incident => "Incident",
            Self::Trends => "Trends",
            Self::Week => "Week",
            Self::Service => "Service",
            Self::Map => "Map",
            Self::Why => "Why",
            Self::Level => "New level",
            Self::Acts => "Acks and silences",
            Self::EndAct => "Ending",
            Self::ActForm => "Ack or silence",
            Self::Note => "Note",
            Self::Filter => "Filter",
            Self::Help => "Help",
            Self::Palette => "Palette",
        }
    }

    /// Whether keys that type a character type it there.
    #[must_use]
    pub const fn takes_text(self) -> bool {
        matches!(self, Self::ActForm | Self::Note | Self::Filter | Self::Help | Self::Palette)
    }
}

impl Binding {
    /// The action whose keys these are in the configuration.
    #[must_use]
    pub const fn setting(&self) -> Action {
        match self.closes {
            Some(opened) => opened,
            None => self.action,
        }
    }

    #[must_use]
    pub fn applies(&self, place: Place) -> bool {
        self.places.contains(&place)
    }

    /// Whether it belongs to this place rather than to the program as a whole.
    #[must_use]
    pub fn is_general(&self) -> bool {
        self.places.len() >= SCREENS.len() || self.is_movement()
    }

    #[must_use]
    pub const fn is_movement(&self) -> bool {
        matches!(
            self.action,
            Action::Up
                | Action::Down
                | Action::PageUp
                | Action::PageDown
                | Action::First
                | Action::Last
                | Action::NextPane
                | Action::PreviousPane
        )
    }

    /// The keys as the help writes them: `→ l`, `1-5`.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.keys.first(), self.keys.last()) {
            (Some(first), Some(last)) if self.keys.len() > 2 && digits(&self.keys) => format!("{first}-{last}"),
            _ => self.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }

    /// The first key, or the range of digits: as the footer writes it.
    #[must_use]
    pub fn short_label(&self) -> String {
        if self.keys.len() > 2 && digits(&self.keys) {
            return self.label();
        }
        self.keys.first().map(ToString::to_string).unwrap_or_default()
    }
}

fn digits(keys: &[Key]) -> bool {
    keys.iter().all(|key| key.typed().is_some_and(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::KeyMap;
    use super::*;

    fn action(place: Place, key: Key) -> Option<Action> {
        KeyMap::default().action(place, key)
    }

    #[test]
    fn no_key_means_two_things_on_one_screen() {
        for place in Place::ALL.iter().copied() {
            let mut seen = HashSet::new();
            for row in TABLE.iter().filter(|row| row.applies(place)) {
                for key in &*row.keys {
                    assert!(seen.insert(*key), "{key} twice at {}", place.name());
                    assert_eq!(action(place, *key), Some(row.action), "{key} at {}", place.name());
                }
            }
        }
    }

    #[test]
    fn text_can_be_typed_where_text_is_typed() {
        for row in TABLE
            .iter()
            .filter(|row| row.applies(Filter) || row.applies(Palette) || row.applies(ActForm) || row.applies(Note))
        {
            assert!(row.keys.iter().all(|key| key.typed().is_none()), "{}", row.label());
        }
        let typed_in_help: Vec<char> = TABLE
            .iter()
            .filter(|row| row.applies(Help))
            .flat_map(|row| row.keys.iter().filter_map(|key| key.typed()))
            .collect();
        assert_eq!(typed_in_help, ['?'], "only the key that opened the help closes it");
    }

    #[test]
    fn there_is_always_a_way_out() {
        for place in Place::ALL.iter().copied() {
            assert_eq!(action(place, Key::ctrl('C')), Some(Action::Interrupt));
            assert!(action(place, k(KeyCode::Esc)).is_some());
        }
    }

    #[test]
    fn a_range_of_digits_is_written_as_a_range() {
        let severity = TABLE.iter().find(|row| row.action == Action::SeverityAndWorse).unwrap();
        assert_eq!((severity.label(), severity.short_label()), ("1-5".to_owned(), "1-5".to_owned()));
    }
}
