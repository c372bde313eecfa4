//! One frame of the dashboard during an incident, 120 columns by 40 rows: what is done for every change on the screen.

#[path = "../tests/screens/fixture.rs"]
#[expect(dead_code, reason = "one of its stages is drawn here")]
mod fixture;

use criterion::{Criterion, criterion_group, criterion_main};
use fixture::Stage;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use spanwatch::app::App;
use spanwatch::ui::{self, Look, ThemeName};

const SIZE: (u16, u16) = (120, 40);

fn drawing(criterion: &mut Criterion) {
    let look = Look { color: true, unicode: true, theme: ThemeName::Terminal };
    for (name, stage) in [
        ("an incident", Stage::incident(SIZE)),
        ("a trace", Stage::tracing(SIZE)),
        ("an analysis", Stage::analysing(SIZE)),
    ] {
        let app: &App = &stage.app;
        let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).expect("a terminal in memory");
        criterion.bench_function(&format!("drawing {name} at 120x40"), |bench| {
            bench.iter(|| {
                terminal.draw(|frame| ui::draw(frame, app, look, stage.now)).expect("memory takes every cell");
            });
        });
    }
}

criterion_group!(benches, drawing);
criterion_main!(benches);
