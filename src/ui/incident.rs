use super::pen::Pen;
use crate::app::App;
use crate::app::incident::IncidentCursor;
use crate::app::layout::Area;
use crate::domain::Timestamp;

pub fn draw(pen: &mut Pen<'_>, app: &App, _cursor: &IncidentCursor, screen: Area, now: Timestamp) {
    super::footer::below(pen, app, screen, now);
}
