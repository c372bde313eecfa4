//! The analysis pane: the lines that the app composed, scrolled.

use ratatui::style::Style;

use super::pen::Pen;
use crate::app::App;
use crate::app::analysis::{self, TextLine, Tone};
use crate::app::layout::{Area, Pane, PaneArea};
use crate::domain::Timestamp;

pub fn draw(pen: &mut Pen<'_>, app: &App, area: PaneArea, now: Timestamp) {
    let focused = app.view.focus == Pane::Analysis;
    if let Some(title) = area.title {
        pen.rule(title, "Analysis", pen.theme.title(focused), &analysis::title(app), pen.theme.quiet());
    }
    let lines = analysis::lines(app, usize::from(area.body.width), now);
    let end = lines.len().saturating_sub(usize::from(area.body.height));
    text(pen, &lines[app.analysis_top(end)..], area.body);
}

pub fn text(pen: &mut Pen<'_>, lines: &[TextLine], area: Area) {
    for (row, line) in lines.iter().take(usize::from(area.height)).enumerate() {
        let style = match line.tone {
            Tone::Heading => pen.theme.heading(),
            Tone::Plain => Style::new(),
            Tone::Quiet => pen.theme.quiet(),
            Tone::Trouble => pen.theme.trouble(),
        };
        pen.put_start(area.x, area.y + row as u16, area.width, &line.text, style);
    }
}
