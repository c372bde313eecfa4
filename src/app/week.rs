/// What a person did on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WeekCursor;
