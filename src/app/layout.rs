//! Which part of the screen is where: a function of its size and of the focused pane alone, never of configuration, so
//! that a split of the terminal does the right thing.

use serde::{Deserialize, Serialize};

/// A rectangle of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pane {
    Services,
    #[default]
    Alerts,
    Baseline,
    Analysis,
}

/// How much fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All four panes.
    Four,
    /// One list and one detail; the panes are tabs.
    Tabs,
    /// The status, one pane and the keys.
    Narrow,
    /// One sentence.
    Tiny,
}

/// A pane's title line, where it has one of its own, and the cells below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PaneArea {
    pub title: Option<Area>,
    pub body: Area,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub shape: Shape,
    pub screen: Area,
    pub header: Area,
    pub status: Area,
    pub tabs: Area,
    pub services: Option<PaneArea>,
    pub alerts: Option<PaneArea>,
    pub baseline: Option<PaneArea>,
    pub analysis: Option<PaneArea>,
    /// What the selected row of a list is about, where the panes are tabs.
    pub detail: Option<PaneArea>,
    /// The column between panes side by side.
    pub gutter: Option<Area>,
    /// The rule above the keys, which also carries messages.
    pub rule: Option<Area>,
    pub keys: Area,
}

/// The parts of the trace view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceLayout {
    pub title: Area,
    pub trust: Area,
    pub rule: Area,
    pub columns: Area,
    pub rows: Area,
    /// What is told of the span under the cursor below the rows.
    pub detail: Option<PaneArea>,
    /// Where one span fills the screen: below the rule.
    pub whole: Area,
    pub footer_rule: Option<Area>,
    pub keys: Area,
}

impl Area {
    #[must_use]
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// One line of it, counted from its top; empty when there is no such line.
    #[must_use]
    pub const fn line(self, row: u16) -> Self {
        if row >= self.height {
            return Self { height: 0, ..self };
        }
        Self { y: self.y + row, height: 1, ..self }
    }

    /// What is left below `rows` lines.
    #[must_use]
    pub const fn below(self, rows: u16) -> Self {
        let taken = if rows < self.height { rows } else { self.height };
        Self { y: self.y + taken, height: self.height - taken, ..self }
    }

    /// At most the first `rows` lines.
    #[must_use]
    pub const fn top(self, rows: u16) -> Self {
        Self { height: if rows < self.height { rows } else { self.height }, ..self }
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }
}

impl Pane {
    pub const ALL: [Self; 4] = [Self::Services, Self::Alerts, Self::Baseline, Self::Analysis];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Services => "Services",
            Self::Alerts => "Alerts",
            Self::Baseline => "Baseline",
            Self::Analysis => "Analysis",
        }
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % 4]
    }

    #[must_use]
    pub fn previous(self) -> Self {
        Self::ALL[(self as usize + 3) % 4]
    }
}

impl Shape {
    #[must_use]
    pub const fn of((width, height): (u16, u16)) -> Self {
        match (width, height) {
            (110.., 32..) => Self::Four,
            (60.., 18..) => Self::Tabs,
            (40.., 10..) => Self::Narrow,
            _ => Self::Tiny,
        }
    }
}

/// A pane whose title takes its first line.
const fn titled(area: Area) -> PaneArea {
    PaneArea { title: Some(area.line(0)), body: area.below(1) }
}

impl Layout {
    #[must_use]
    pub fn of(size: (u16, u16), focus: Pane) -> Self {
        let screen = Area::new(0, 0, size.0, size.1);
        let mut layout = Self {
            shape: Shape::of(size),
            screen,
            header: screen.line(0),
            status: screen.line(1),
            tabs: Area::default(),
            services: None,
            alerts: None,
            baseline: None,
            analysis: None,
            detail: None,
            gutter: None,
            rule: None,
            keys: screen.line(size.1.saturating_sub(1)),
        };
        match layout.shape {
            Shape::Four => layout.place_four(),
            Shape::Tabs => layout.place_tabs(focus),
            Shape::Narrow => {
                layout.header = Area::default();
                layout.status = screen.top(2);
                let body = screen.below(2).top(size.1 - 3);
                layout.set(focus, PaneArea { title: None, body });
            }
            Shape::Tiny => {}
        }
        layout
    }

    fn place_four(&mut self) {
        let body = self.screen.below(2).top(self.screen.height - 4);
        let upper = body.height * 2 / 5;
        let left = (body.width - 3) / 2;
        let right_x = left + 3;
        let right = body.width - right_x;
        let lower_y = body.y + upper;
        let lower = body.height - upper;
        self.services = Some(titled(Area::new(0, body.y, left, upper)));
        self.alerts = Some(titled(Area::new(right_x, body.y, right, upper)));
        self.baseline = Some(titled(Area::new(0, lower_y, left, lower)));
        self.analysis = Some(titled(Area::new(right_x, lower_y, right, lower)));
        self.gutter = Some(Area::new(left + 1, body.y, 1, body.height));
        self.rule = Some(self.screen.line(self.screen.height - 2));
    }

    fn place_tabs(&mut self, focus: Pane) {
        self.tabs = self.screen.line(2);
        self.rule = Some(self.screen.line(self.screen.height - 2));
        let body = self.screen.below(3).top(self.screen.height - 5);
        match focus {
            Pane::Services | Pane::Alerts => {
                let detail = (body.height * 2 / 5).max(8).min(body.height.saturating_sub(6));
                self.set(focus, PaneArea { title: None, body: body.top(body.height - detail) });
                self.detail = Some(titled(body.below(body.height - detail)));
            }
            Pane::Baseline | Pane::Analysis => self.set(focus, PaneArea { title: None, body }),
        }
    }

    fn set(&mut self, pane: Pane, area: PaneArea) {
        *match pane {
            Pane::Services => &mut self.services,
            Pane::Alerts => &mut self.alerts,
            Pane::Baseline => &mut self.baseline,
            Pane::Analysis => &mut self.analysis,
        } = Some(area);
    }

    #[must_use]
    pub const fn pane(&self, pane: Pane) -> Option<PaneArea> {
        match pane {
            Pane::Services => self.services,
            Pane::Alerts => self.alerts,
            Pane::Baseline => self.baseline,
            Pane::Analysis => self.analysis,
        }
    }

    /// Whether lists have a line of column heads.
    #[must_use]
    pub fn has_column_heads(&self) -> bool {
        matches!(self.shape, Shape::Four | Shape::Tabs)
    }

    /// How many rows of a list, or lines of a text, a pane shows.
    #[must_use]
    pub fn rows(&self, pane: Pane) -> usize {
        let height = self.pane(pane).map_or(0, |area| area.body.height);
        let heads = u16::from(self.has_column_heads() && matches!(pane, Pane::Services | Pane::Alerts));
        usize::from(height.saturating_sub(heads))
    }
}

impl TraceLayout {
    #[must_use]
    pub fn of(size: (u16, u16)) -> Self {
        let screen = Area::new(0, 0, size.0, size.1);
        let narrow = matches!(Shape::of(size), Shape::Narrow | Shape::Tiny);
        let footer = if narrow { 1 } else { 2 };
        let head = if narrow { 2 } else { 4 };
        let body = screen.below(head).top(size.1.saturating_sub(head + footer));
        let detail = match size.1 {
            0..20 => 0,
            20..32 => 6,
            _ => 11,
        };
        let rows = body.height.saturating_sub(detail);
        Self {
            title: screen.line(0),
            trust: if narrow { Area::default() } else { screen.line(1) },
            rule: if narrow { screen.line(1) } else { screen.line(2) },
            columns: if narrow { Area::default() } else { screen.line(3) },
            rows: body.top(rows),
            detail: (detail > 0).then(|| titled(body.below(rows))),
            whole: {
                let top = if narrow { 2 } else { 3 };
                let body = screen.below(top).top(size.1.saturating_sub(top + footer));
                Area { x: body.x + 1, width: body.width.saturating_sub(2), ..body }
            },
            footer_rule: (!narrow).then(|| screen.line(size.1.saturating_sub(2))),
            keys: screen.line(size.1.saturating_sub(1)),
        }
    }

    /// How many rows are visible.
    #[must_use]
    pub fn page(&self) -> usize {
        usize::from(self.rows.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_lies_inside_the_screen_at_any_size() {
        for width in (0..210).step_by(3) {
            for height in 0..70 {
                for focus in Pane::ALL {
                    let layout = Layout::of((width, height), focus);
                    let panes = Pane::ALL.into_iter().filter_map(|pane| layout.pane(pane)).chain(layout.detail);
                    let trace = TraceLayout::of((width, height));
                    let parts = panes.flat_map(|pane| [pane.title.unwrap_or_default(), pane.body]).chain([
                        layout.header,
                        layout.status,
                        layout.tabs,
                        layout.keys,
                        trace.title,
                        trace.trust,
                        trace.rule,
                        trace.columns,
                        trace.rows,
                        trace.whole,
                        trace.keys,
                    ]);
                    for part in parts.filter(|part| !part.is_empty()) {
                        assert!(part.x + part.width <= width && part.y + part.height <= height, "{width}x{height}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_named_sizes_have_their_shapes() {
        let shapes = [(120, 40), (80, 24), (40, 10), (39, 10), (40, 9), (1, 1), (200, 60)].map(Shape::of);
        use Shape::{Four, Narrow, Tabs, Tiny};
        assert_eq!(shapes, [Four, Tabs, Narrow, Tiny, Tiny, Tiny, Four]);
    }
}
