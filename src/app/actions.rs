//! What each action does; each in one place.

use std::sync::Arc;

use super::keymap::{Action, Place};
use super::layout::{Pane, TraceLayout};
use super::waterfall::Folding;
use super::{
    App, Effect, HelpView, IncidentCursor, LineInput, Page, PaletteView, RowId, TraceCursor, TraceData, Typing,
    WhyCursor, analysis, compare, help, level, list, palette, span, why,
};
use crate::app::key::Key;
use crate::domain::filter::Filter;
use crate::domain::{Anomaly, Micros, Severity, Subject, Timestamp, Verdict};
use crate::messages::CommandKind;

/// A message that came within this time of a key press is not yet taken as read.
const READING: Micros = Micros::from_secs(2);

impl App {
    pub(super) fn press(&mut self, key: Key, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.view.message.as_ref().is_some_and(|message| now.since(message.at) >= READING) {
            self.view.message = None;
        }
        let place = self.place();
        match self.keys.action(place, key) {
            Some(action) => self.perform(action, key, now, effects),
            None if place == Place::Note => self.edit_note(|text| text.feed(key)),
            None if place.takes_text() => {
                self.edit(now, |line| line.feed(key));
            }
            None => {}
        }
    }

    pub(super) fn paste(&mut self, text: &str, now: Timestamp) {
        if self.place() == Place::Note {
            self.edit_note(|input| input.insert(text));
        } else if self.place().takes_text() {
            self.edit(now, |line| line.insert(text));
        }
    }

    fn edit(&mut self, now: Timestamp, change: impl Fn(&mut LineInput)) {
        if let Some(help) = &mut self.view.help {
            change(&mut help.query);
            help.offset = 0;
        } else if let Some(palette) = &mut self.view.palette {
            change(&mut palette.query);
            (palette.at, palette.offset) = (0, 0);
        } else if let Some(form) = &mut self.view.act_form {
            form.edit(change);
        } else if let Some(typing) = &mut self.view.typing {
            let before = typing.line.text().to_owned();
            change(&mut typing.line);
            if typing.line.text() != before {
                typing.recalled = None;
            }
            self.apply_typed_filter(now);
        }
    }

    fn perform(&mut self, action: Action, key: Key, now: Timestamp, effects: &mut Vec<Effect>) {
        match action {
            Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last => {
                self.go(action, now);
            }
            Action::NextSlow => self.go_to_slow(true, now),
            Action::PreviousSlow => self.go_to_slow(false, now),
            Action::Unfold | Action::Fold if self.place() == Place::Map => self.go_in_map(action),
            Action::ShowTrends => self.show_trends(now),
            Action::NextPlot
            | Action::PreviousPlot
            | Action::ColumnBack
            | Action::ColumnForward
            | Action::HourBack
            | Action::HourForward
            | Action::ZoomIn
            | Action::ZoomOut => self.go_in_trends(action),
            Action::OpenSlowCall => self.open_slow_call(now, effects),
            Action::Unfold => self.fold(true, now),
            Action::Fold => self.fold(false, now),
            Action::FoldQuiet => self.in_trace(|cursor, data, page| cursor.fold_all(Folding::Quiet, data, page)),
            Action::FoldEverything => {
                self.in_trace(|cursor, data, page| cursor.fold_all(Folding::Everything, data, page));
            }
            Action::UnfoldEverything => {
                self.in_trace(|cursor, data, page| cursor.fold_all(Folding::Nothing, data, page));
            }
            Action::OnlyCritical => self.in_trace(TraceCursor::toggle_critical),
            Action::OpenDetail => self.open_detail(),
            Action::Compare if self.trends().is_some() => self.compare_slow_call(now, effects),
            Action::Analyse if self.trends().is_some() => self.analyse_slow_call(now, effects),
            Action::Compare => self.compare(false, now, effects),
            Action::ShowAttributes => self.compare(true, now, effects),
            Action::ShowInWaterfall => self.show_in_waterfall(now),
            Action::CloseDetail => self.back(now, effects),
            Action::OpenSelected => match self.place() {
                Place::Service => self.open_in_service(now, effects),
                Place::Map => self.open_in_map(),
                _ => self.open_selected(now, effects),
            },
            Action::OpenTrace => self.open_trace(now, effects),
            Action::NextPart => self.turn_part(true),
            Action::PreviousPart => self.turn_part(false),
            Action::WriteNote => self.begin_note(now),
            Action::SaveNote => self.save_note(now, effects),
            Action::LeaveNote => self.leave_note(now),
            Action::OpenService => {
                if let Some(service) = self.service_at_hand() {
                    self.open_service(service);
                }
            }
            Action::OpenMap => self.open_map(),
            Action::SortOtherwise => self.sort_service(),
            Action::OtherForm => self.other_form(),
            Action::ShowAlertsOfService => self.show_alerts_of_service(now),
            Action::Analyse => self.analyse(now, effects),
            Action::Explain => self.explain(now, effects),
            Action::OpenWeek => self.open_week(now, effects),
            Action::NextOperation => self.next_operation(true, effects),
            Action::PreviousOperation => self.next_operation(false, effects),
            Action::NextMetric => self.next_metric(),
            Action::ShowChanges => self.show_changes(),
            Action::HourBefore | Action::HourAfter => self.go_in_week(action),
            Action::AskAboutLevel => self.ask_about_level(now),
            Action::NextLevel => self.next_level(),
            Action::ConfirmLevel => self.confirm_level(now, effects),
            Action::MinuteBack => self.explain_another_minute(false, effects),
            Action::MinuteForward => self.explain_another_minute(true, effects),
            Action::Copy => self.copy(now, effects),
            Action::Link => self.link(now, effects),
            Action::Recalculate => {
                self.recalculate(CommandKind::Recalculate, "Asked to recalculate all baselines.", now, effects);
            }
            Action::Rehearse => {
                let asked = "Asked what a recalculation would change; nothing is applied.";
                self.recalculate(CommandKind::RehearseRecalculation, asked, now, effects);
            }
            Action::Acknowledge => self.begin_ack(now),
            Action::Silence => self.begin_silence(now),
            Action::RateUseful => self.rate(Verdict::Useful, now, effects),
            Action::RateNoise => self.rate(Verdict::Noise, now, effects),
            Action::OpenActs => self.open_acts(),
            Action::OtherActs => self.other_acts(),
            Action::AskToEnd => self.ask_to_end(now),
            Action::ConfirmEnd => self.confirm_end(now, effects),
            Action::NextField => self.go_to_field(true),
            Action::PreviousField => self.go_to_field(false),
            Action::SubmitForm => self.submit_form(now, effects),
            Action::CloseForm => self.view.act_form = None,
            Action::Undo => self.undo(now, effects),
            Action::SeverityAndWorse => {
                let digit = key.typed().and_then(|c| c.to_digit(10)).and_then(|digit| u8::try_from(digit).ok());
                self.view.severity = digit.and_then(Severity::from_number).or(self.view.severity);
                self.arrange(now);
            }
            Action::AllSeverities => {
                self.view.severity = None;
                self.arrange(now);
            }
            Action::StartFilter => {
                let line = LineInput::new(&self.filter_to_type());
                self.view.typing = Some(Typing {
                    line,
                    before: (self.view.filter_text.clone(), self.view.filter.clone()),
                    error: None,
                    recalled: None,
                });
            }
            Action::OlderFilter => self.recall_filter(true, now),
            Action::NewerFilter => self.recall_filter(false, now),
            Action::KeepFilter => self.keep_filter(now),
            Action::DropFilter => self.drop_filter(now),
            Action::NextPane => self.focus(self.view.focus.next(), now),
            Action::PreviousPane => self.focus(self.view.focus.previous(), now),
            Action::Back => self.back(now, effects),
            Action::OpenHelp => {
                self.view.help = Some(HelpView { place: self.place(), query: LineInput::default(), offset: 0 });
            }
            Action::CloseHelp => self.view.help = None,
            Action::OpenPalette => self.view.palette = Some(PaletteView::new(self.place())),
            Action::ClosePalette => self.view.palette = None,
            Action::RunChosen => self.run_chosen(now, effects),
            Action::Freeze => self.freeze_or_thaw(now),
            Action::SwitchClock => self.switch_clock(now),
            Action::PollNow => {
                effects.push(Effect::Send(CommandKind::PollNow));
                // Spans of it may have come late.
                if let Some(cursor) = &self.view.trace {
                    effects.push(Effect::Send(CommandKind::ShowTrace { trace: cursor.trace }));
                }
                self.say("Asked every source.", false, now);
            }
            Action::Redraw => effects.push(Effect::Redraw),
            Action::Suspend => effects.push(Effect::Suspend),
            Action::Interrupt => self.interrupt(effects),
            Action::Leave => {
                if !self.leave() {
                    effects.push(Effect::Quit);
                }
            }
        }
    }

    fn go(&mut self, action: Action, now: Timestamp) {
        let layout = self.layout();
        if let Some(help) = &mut self.view.help {
            let columns = help::Columns::of(self.size);
            let end = columns.last_offset(help::lines(&self.keys, help.place, help.query.text()).len());
            help.offset = list::moved(action, help.offset.min(end), end + 1, columns.height);
            return;
        }
        if let Some(palette) = &mut self.view.palette {
            let (count, page) =
                (palette::entries(&self.keys, palette.place, palette.query.text()).len(), palette::room(self.size));
            palette.at = list::moved(action, palette.at, count, page);
            palette.offset = list::offset(palette.offset, palette.at, count, page);
            return;
        }
        if self.page().is_some() {
            self.go_in_page(action, now);
            return;
        }
        if let Some(cursor) = &self.view.trace {
            match cursor.detail {
                _ if cursor.compare.is_some() => self.go_in_comparison(action),
                Some(top) => self.scroll_detail(top, action),
                None => self.in_trace(|cursor, data, page| cursor.go(action, data, page)),
            }
            return;
        }
        let page = layout.rows(self.view.focus);
        match self.view.focus {
            Pane::Alerts => self.alerts.go(&mut self.view.alerts, action, page),
            Pane::Services => {
                let services = self.topics.services.get().map_or(&[][..], Vec::as_slice);
                let at = services.iter().position(|service| Some(&service.service) == self.view.service.as_ref());
                let at = list::moved(action, at.unwrap_or(0), services.len(), page);
                self.view.service = services.get(at).map(|service| service.service.clone());
                self.view.service_held = at > 0;
                self.view.service_offset = list::offset(self.view.service_offset, at, services.len(), page);
            }
            Pane::Analysis => self.scroll_analysis(action, page, now),
            Pane::Baseline => {}
        }
    }

    fn go_in_page(&mut self, action: Action, now: Timestamp) {
        let (width, height) = why::room(self.size);
        let end = match self.page() {
            Some(Page::Incident(_)) => return self.go_in_incident(action, now),
            Some(Page::Acts(_)) => return self.go_in_acts(action),
            Some(Page::Service(_)) => return self.go_in_service(action),
            Some(Page::Map(_)) => return self.go_in_map(action),
            Some(Page::Week(_)) => return self.go_in_week(action),
            Some(Page::Trends(_)) => return self.go_in_trends(action),
            Some(Page::Level(cursor)) => level::lines(cursor, width, self.clock()).len(),
            Some(Page::Why(cursor)) => why::lines(self, cursor, width).len(),
            _ => return,
        }
        .saturating_sub(height);
        let offset = match self.page_mut() {
            Some(Page::Level(cursor)) => &mut cursor.offset,
            Some(Page::Why(cursor)) => &mut cursor.offset,
            _ => return,
        };
        *offset = list::moved(action, (*offset).min(end), end + 1, height);
    }

    /// Moves the first visible line; at the end the view follows new text again.
    fn scroll_analysis(&mut self, action: Action, page: usize, now: Timestamp) {
        let Some(area) = self.layout().analysis else { return };
        let now = self.shown_at(now);
        let lines = analysis::lines(self, usize::from(area.body.width), now).len();
        let end = lines.saturating_sub(page);
        let top = list::moved(action, self.analysis_top(end), end + 1, page);
        // At the end it follows what comes.
        self.view.analysis_top = (top < end || self.shown_analysis().is_none()).then_some(top);
    }

    /// Does what is chosen in the palette, as if its key had been pressed where the palette was opened. What works
    /// elsewhere only says where.
    fn run_chosen(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(view) = &self.view.palette else { return };
        let Some(entry) = palette::entries(&self.keys, view.place, view.query.text()).into_iter().nth(view.at) else {
            return;
        };
        match entry.elsewhere {
            Some(places) => self.say(format!("That works in: {places}."), false, now),
            None => {
                self.view.palette = None;
                self.perform(entry.action, entry.key, now, effects);
            }
        }
    }

    fn fold(&mut self, open: bool, now: Timestamp) {
        if self.view.trace.is_some() {
            self.in_trace(if open { TraceCursor::unfold } else { TraceCursor::fold });
            return;
        }
        self.view.alerts.fold(open);
        self.arrange(now);
    }

    /// Changes what is seen of the open trace.
    fn in_trace(&mut self, change: impl FnOnce(&mut TraceCursor, &mut TraceData, usize)) {
        if let Some(cursor) = &mut self.view.trace {
            change(cursor, &mut self.trace, TraceLayout::of(self.size).page());
        }
    }

    fn go_to_slow(&mut self, forward: bool, now: Timestamp) {
        if self.place() == Place::Compare {
            return self.go_to_large(forward, now);
        }
        let mut found = true;
        self.in_trace(|cursor, data, page| found = cursor.go_to_notable(forward, data, page));
        if !found {
            let where_to = if forward { "below" } else { "above" };
            self.say(format!("No slow or failed span {where_to} this one."), false, now);
        }
    }

    fn open_detail(&mut self) {
        if let Some(cursor) = &mut self.view.trace
            && self.trace.waterfall(cursor.trace).is_some()
        {
            cursor.detail = Some(0);
        }
    }

    /// Shows the open trace, or that of what is selected, beside a normal one.
    fn compare(&mut self, attributes: bool, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.view.trace.is_none() {
            self.open_trace(now, effects);
        }
        if let Some(cursor) = &mut self.view.trace {
            cursor.compare = Some(cursor.compare.unwrap_or_default().showing(attributes));
        }
    }

    fn go_in_comparison(&mut self, action: Action) {
        let layout = TraceLayout::of(self.size);
        let Some(mut cursor) = self.view.trace.as_ref().and_then(|cursor| cursor.compare) else { return };
        if cursor.attributes {
            let height = usize::from(layout.whole.height);
            let end = compare::lines(self, usize::from(layout.whole.width)).len().saturating_sub(height);
            cursor.top = list::moved(action, cursor.top.min(end), end + 1, height);
        } else if let Some(view) = compare::shown(self) {
            cursor.go(action, view, layout.page());
        }
        if let Some(trace) = &mut self.view.trace {
            trace.compare = Some(cursor);
        }
    }

    fn go_to_large(&mut self, forward: bool, now: Timestamp) {
        let page = TraceLayout::of(self.size).page();
        let Some(mut cursor) = self.view.trace.as_ref().and_then(|cursor| cursor.compare) else { return };
        let Some(view) = compare::shown(self) else { return };
        if !cursor.go_to_notable(forward, view, page) {
            let where_to = if forward { "below" } else { "above" };
            self.say(format!("Nothing that explains much of the difference {where_to} this."), false, now);
        }
        if let Some(trace) = &mut self.view.trace {
            trace.compare = Some(cursor);
        }
    }

    /// Back to the waterfall, on the longest span of the row.
    fn show_in_waterfall(&mut self, now: Timestamp) {
        let page = TraceLayout::of(self.size).page();
        let Some(cursor) = self.view.trace.as_ref().and_then(|cursor| cursor.compare) else { return };
        let Some(view) = compare::shown(self) else { return };
        let (row, _) = cursor.place(view, page);
        let Some(span) = view.rows.get(row).and_then(|row| row.this).map(|side| side.span) else {
            self.say("That is only in the normal trace.", false, now);
            return;
        };
        let mut found = true;
        self.in_trace(|cursor, data, page| {
            (cursor.compare, cursor.detail) = (None, None);
            found = cursor.go_to_span(span, data, page);
        });
        if !found {
            self.say("The waterfall leaves that span out.", false, now);
        }
    }

    fn scroll_detail(&mut self, top: usize, action: Action) {
        let layout = TraceLayout::of(self.size);
        let lines = span::lines(self, usize::from(layout.whole.width)).len();
        let height = usize::from(layout.whole.height);
        let end = lines.saturating_sub(height);
        if let Some(cursor) = &mut self.view.trace {
            cursor.detail = Some(list::moved(action, top.min(end), end + 1, height));
        }
    }

    /// To another part of the page that is shown.
    fn turn_part(&mut self, forward: bool) {
        match self.place() {
            Place::Service => self.other_part(forward),
            _ => self.go_to_part(forward),
        }
    }

    /// Leaves the view that covers the panes, or the one that covers it. False if there is none.
    fn leave(&mut self) -> bool {
        let left = self.leave_view();
        // What lay below may have changed since it was seen.
        self.arrange_service();
        self.arrange_map();
        left
    }

    fn leave_view(&mut self) -> bool {
        if self.acts_cursor_mut().is_some_and(|cursor| cursor.ending.take().is_some()) {
            return true;
        }
        if self.view.pages.close(self.view.trace.is_some()) {
            return true;
        }
        if let Some(cursor) = &mut self.view.trace
            && let Some(compare) = cursor.compare
        {
            cursor.compare = compare.left();
            return true;
        }
        if let Some(cursor) = &mut self.view.trace
            && cursor.detail.take().is_some()
        {
            return true;
        }
        self.view.trace.take().is_some()
    }

    /// What was asked about this slow span stays under the reader's eyes.
    fn hold(&mut self, anomaly: Anomaly) {
        if self.view.pages.is_empty() {
            self.view.alerts.hold(anomaly);
        } else if let Some(cursor) = self.view.pages.incident_mut() {
            cursor.pinned = Some((cursor.selected, Box::new(anomaly)));
        }
    }

    /// The incident or the alert on a page of its own; of one slow span its trace.
    fn open_selected(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        match self.alerts.selected_incident(&self.view.alerts).map(|view| view.incident.id) {
            Some(incident) => {
                let selected = self.alert_alone().map(|alert| alert.id);
                let cursor = IncidentCursor::new(incident, selected);
                self.view.pages.open(Page::Incident(cursor), self.view.trace.is_some());
            }
            None => self.open_trace(now, effects),
        }
    }

    fn open_trace(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(anomaly) = self.selected_anomaly().cloned() else {
            self.say(self.no_span(), false, now);
            return;
        };
        effects.push(Effect::Send(CommandKind::ShowTrace { trace: anomaly.id.trace }));
        self.hold(anomaly.clone());
        self.trace.open(&anomaly);
        self.view.trace = Some(TraceCursor::new(anomaly));
        self.view.pages.go_under_trace();
        self.arrange(now);
    }

    pub(super) fn no_span(&self) -> String {
        match self.incident_at_hand() {
            Some(_) => {
                let why = self.keys.key_of(Action::Explain);
                format!("No slow span of it was recorded; {why} shows its arithmetic.")
            }
            None => "Nothing is selected.".to_owned(),
        }
    }

    /// Asks for the arithmetic about what is selected.
    fn explain(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let cursor = &self.view.alerts;
        let of_service = || {
            let leads = self.view.focus == Pane::Services && self.incident_page().is_none();
            let name = self.view.service.as_deref().filter(|_| leads)?;
            Some((Subject::Node(Arc::from(name)), None, None))
        };
        let of_alert = || {
            let alert = self.alert_at_hand()?;
            Some((alert.subject.clone(), Some(alert.clone()), None))
        };
        let of_record = || {
            let key = cursor.selected.as_ref().filter(|_| self.incident_page().is_none())?.record()?;
            Some((Subject::Key(key.clone()), None, self.alerts.selected_anomaly(cursor).cloned()))
        };
        let Some((subject, alert, anomaly)) = of_service().or_else(of_alert).or_else(of_record) else {
            self.say("Select an incident, a record or a service to see its arithmetic.", false, now);
            return;
        };
        // The window that was worst, as long as what was counted then is kept.
        let at = alert.as_ref().map(|alert| alert.worst.window.to);
        effects.push(Effect::Send(CommandKind::ExplainVerdict { subject: subject.clone(), at }));
        self.view.why_asked = None;
        let cursor = WhyCursor { subject, alert, anomaly, at, offset: 0 };
        self.view.pages.open(Page::Why(Box::new(cursor)), self.view.trace.is_some());
    }

    /// Asks for the same with windows that end a minute earlier or later.
    fn explain_another_minute(&mut self, forward: bool, effects: &mut Vec<Effect>) {
        let Some(cursor) = self.why_cursor() else { return };
        let Some(at) = why::shown(self, cursor).map(|view| why::stepped(view, forward)) else { return };
        effects.push(Effect::Send(CommandKind::ExplainVerdict { subject: cursor.subject.clone(), at: Some(at) }));
        if let Some(cursor) = self.why_cursor_mut() {
            cursor.at = Some(at);
        }
    }

    fn show_alerts_of_service(&mut self, now: Timestamp) {
        let Some(name) = self.service_at_hand() else { return };
        let text = if name.contains(|c: char| c.is_whitespace() || c == '"') {
            // Such a name cannot be written as svc=, so it is searched as text.
            format!("\"{}\"", name.replace('"', " ").trim())
        } else {
            format!("svc={name}")
        };
        if let Ok(filter) = Filter::parse(&text) {
            self.view.filter = filter;
            self.view.filter_text = text;
            // From a page it leads back to the panes.
            self.view.trace = None;
            while self.view.pages.close(false) {}
            self.focus(Pane::Alerts, now);
        }
    }

    fn analyse(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.lost.is_some() {
            self.say("The monitor ended, so nothing can be analysed; quit and start again.", true, now);
            return;
        }
        let running_here = self.analysis_is_running() && self.shown_analysis().is_some();
        if self.selected_anomaly().is_some() && (running_here || self.is_asked()) {
            return;
        }
        let one_span = || self.view.alerts.selected.as_ref().is_none_or(RowId::is_one_span);
        let target = match self.incident_page() {
            Some(cursor) => self.worst_on_page(cursor),
            None if self.view.trace.is_some() || one_span() => self.selected_anomaly(),
            None => self.alerts.worst_of_selected(&self.view.alerts),
        };
        let Some(anomaly) = target.cloned() else {
            self.say(self.no_span(), false, now);
            return;
        };
        effects.push(Effect::Send(CommandKind::StartAnalysis { anomaly: anomaly.id }));
        self.view.asked = Some(anomaly.id);
        self.view.analysis_top = None;
        self.analysis_cancelled = false;
        if self.view.trace.is_some() {
            self.say("Asked for the analysis; esc goes back to it.", false, now);
        }
        self.hold(anomaly);
        self.show_analysis_of_incident();
    }

    pub(super) fn recalculate(&mut self, order: CommandKind, asked: &str, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.lost.is_some() {
            self.say("The monitor ended, so nothing can be recalculated; quit and start again.", true, now);
        } else if !self.recalculation_is_running() {
            effects.push(Effect::Send(order));
            self.view.recalculation_open = true;
            self.recalculation_cancelled = false;
            self.say(asked, false, now);
        }
    }

    /// Applies what is typed. While its end cannot be read yet, the words before it apply and the error says what to
    /// write.
    pub(super) fn apply_typed_filter(&mut self, now: Timestamp) {
        let Some(typing) = &mut self.view.typing else { return };
        let text = typing.line.text().trim();
        let before_last = text.rsplit_once(char::is_whitespace).map_or("", |(before, _)| before);
        let parsed = Filter::parse(text);
        typing.error = parsed.as_ref().err().map(ToString::to_string);
        let readable = parsed
            .map(|filter| (text, filter))
            .or_else(|_| Filter::parse(before_last).map(|filter| (before_last, filter)));
        if let Ok((text, filter)) = readable {
            self.view.filter_text = text.to_owned();
            self.view.filter = filter;
            self.arrange(now);
        }
    }

    fn keep_filter(&mut self, now: Timestamp) {
        self.apply_typed_filter(now);
        if self.view.typing.as_ref().is_some_and(|typing| typing.error.is_none()) {
            self.view.typing = None;
            self.remember_filter();
        }
    }

    fn drop_filter(&mut self, now: Timestamp) {
        if let Some(Typing { before: (text, filter), .. }) = self.view.typing.take() {
            self.view.filter_text = text;
            self.view.filter = filter;
            self.arrange(now);
        }
    }

    fn focus(&mut self, pane: Pane, now: Timestamp) {
        self.view.focus = pane;
        match pane {
            Pane::Services => self.view.led_by_services = true,
            Pane::Alerts => self.view.led_by_services = false,
            Pane::Baseline | Pane::Analysis => {}
        }
        self.arrange(now);
    }

    /// One step back, the nearest first: out of a view, then what runs, then what was opened or set.
    fn back(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.leave() {
            return;
        }
        if self.recalculation_is_running() {
            effects.push(Effect::Send(CommandKind::CancelRecalculation));
        } else if std::mem::take(&mut self.view.recalculation_open) || self.view.message.is_some() {
            self.view.message = None;
        } else if !self.view.filter.is_empty() {
            self.view.filter = Filter::default();
            self.view.filter_text.clear();
            self.arrange(now);
        } else {
            self.focus(Pane::Alerts, now);
        }
    }

    /// Cancels what runs, the analysis first; quits when nothing does. A monitor that does not react to a cancel must
    /// not keep anybody from leaving, so each is sent once.
    fn interrupt(&mut self, effects: &mut Vec<Effect>) {
        let asked = self.view.asked.is_some() && self.lost.is_none();
        if (self.analysis_is_running() || asked) && !self.analysis_cancelled {
            self.analysis_cancelled = true;
            self.view.asked = None;
            effects.push(Effect::Send(CommandKind::CancelAnalysis));
        } else if self.recalculation_is_running() && !self.recalculation_cancelled {
            self.recalculation_cancelled = true;
            effects.push(Effect::Send(CommandKind::CancelRecalculation));
        } else {
            effects.push(Effect::Quit);
        }
    }
}
