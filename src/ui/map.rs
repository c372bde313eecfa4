use super::pen::Pen;
use crate::app::App;
use crate::app::layout::Area;
use crate::app::map::MapCursor;
use crate::domain::Timestamp;

pub fn draw(pen: &mut Pen<'_>, app: &App, _cursor: &MapCursor, screen: Area, now: Timestamp) {
    super::footer::below(pen, app, screen, now);
}
