use super::*;
use proptest::prelude::*;

/// The picture as text, names as digits and letters.
fn picture(graph: &Graph) -> String {
    let mut lines = vec![vec![' '; graph.width]; graph.height];
    for ((y, x), cell) in &graph.cells {
        lines[*y][*x] = match cell.sides {
            HORIZONTAL => '─',
            VERTICAL => '│',
            5 | 6 | 7 | 9 | 10 | 11 | 13 | 14 | 15 => {
                ['?', '?', '?', '│', '?', '┘', '┐', '┤', '?', '└', '┌', '├', '─', '┴', '┬', '┼']
                    [usize::from(cell.sides)]
            }
            _ => '?',
        };
    }
    for ((y, x), tip) in &graph.tips {
        lines[*y][*x] = if *tip == Tip::Right { '>' } else { '<' };
    }
    for (number, node) in graph.nodes.iter().enumerate() {
        for cell in &mut lines[node.y][node.x..node.x + node.width] {
            assert_eq!(*cell, ' ', "something lies under node {number}");
            *cell = char::from_digit(number as u32 % 36, 36).unwrap();
        }
    }
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned() + "\n").collect()
}

fn drawn(count: usize, edges: &[(usize, usize)]) -> String {
    picture(&lay_out(&vec![3; count], edges))
}

#[test]
fn a_chain_is_one_straight_line() {
    assert_eq!(drawn(3, &[(0, 1), (1, 2)]), " 000 ────> 111 ────> 222\n");
}

#[test]
fn a_hub_has_one_line_that_parts() {
    let text = drawn(4, &[(0, 1), (0, 2), (0, 3)]);
    assert_eq!(text, "      ┌───> 111\n      │\n 000 ─┼───> 222\n      │\n      └───> 333\n");
}

#[test]
fn a_cycle_has_a_tip_at_both_ends_and_a_call_to_itself_is_not_drawn() {
    assert_eq!(drawn(2, &[(0, 1), (1, 0), (1, 1)]), " 000 <───> 111\n");
}

fn layers_of(graph: &Graph) -> Vec<usize> {
    graph.nodes.iter().map(|node| node.layer).collect()
}

#[test]
fn layers_are_the_longest_way_from_an_entry() {
    let graph = lay_out(&[1; 5], &[(0, 1), (1, 2), (0, 2), (2, 3), (4, 3)]);
    assert_eq!(layers_of(&graph), [0, 1, 2, 3, 0]);
    // A cycle is broken where the walk from the entry comes back to.
    let graph = lay_out(&[1; 4], &[(3, 1), (1, 2), (2, 0), (0, 1)]);
    assert_eq!(layers_of(&graph), [3, 1, 2, 0]);
}

#[test]
fn two_hundred_services_are_laid_out() {
    let edges: Vec<(usize, usize)> = (1..200).flat_map(|n| [(n / 3, n), (n / 7, n), (n, n / 2)]).collect();
    check(&[12; 200], &edges);
}

/// Whatever the graph: each name is there once and whole, no line is drawn over one, each line leads from its node to the
/// other, and where lines meet they have an end in common.
fn check(widths: &[usize], edges: &[(usize, usize)]) {
    let graph = lay_out(widths, edges);
    assert_eq!(graph.nodes.len(), widths.len());
    let mut taken = BTreeMap::new();
    for (number, node) in graph.nodes.iter().enumerate() {
        assert_eq!(node.width, widths[number]);
        for x in node.x.saturating_sub(1)..=node.x + node.width {
            assert!(x < graph.width && node.y < graph.height);
            assert!(!graph.cells.contains_key(&(node.y, x)), "a line over node {number}");
            if (node.x..node.x + node.width).contains(&x) {
                assert_eq!(taken.insert((node.y, x), number), None, "two names over each other");
            }
        }
    }
    for ((y, x), cell) in &graph.cells {
        assert!(*x < graph.width && *y < graph.height);
        for a in &cell.edges {
            for b in &cell.edges {
                let drawn = |edge: usize| {
                    let (from, to) = edges[edge];
                    if graph.nodes[from].layer < graph.nodes[to].layer { (from, to) } else { (to, from) }
                };
                let ((a, b), (c, d)) = (drawn(*a), drawn(*b));
                assert!(a == c || b == d, "{a}->{b} and {c}->{d} meet at {x},{y}\n{}", picture(&graph));
            }
        }
    }
    for (number, (from, to)) in edges.iter().enumerate().filter(|(_, (from, to))| from != to) {
        let (from, to) = (graph.nodes[*from], graph.nodes[*to]);
        let (left, right) = if from.layer < to.layer { (from, to) } else { (to, from) };
        assert!(left.layer < right.layer);
        let start = (left.y, left.x + left.width + 1);
        let end = (right.y, right.x - 2);
        for (place, name) in [(start, "start"), (end, "end")] {
            assert!(graph.cells.get(&place).is_some_and(|cell| cell.edges.contains(&number)), "{name} of {number}");
        }
        // Every piece of it that another line does not interrupt leads on to a piece or to a crossing.
        for ((y, x), cell) in graph.cells.iter().filter(|(_, cell)| cell.edges.contains(&number)) {
            for (side, next) in [(UP, (y.wrapping_sub(1), *x)), (DOWN, (y + 1, *x)), (RIGHT, (*y, x + 1))] {
                if cell.sides & side != 0 && (*y, *x) != end && !((*y, x + 1) == next && is_name(&graph, next)) {
                    assert!(graph.cells.contains_key(&next), "a line ends at {x},{y}\n{}", picture(&graph));
                }
            }
        }
    }
    let tips = |tip: Tip| graph.tips.values().filter(|there| **there == tip).count();
    assert!(tips(Tip::Right) + tips(Tip::Left) <= edges.len());
}

/// The column of air before a name belongs to it.
fn is_name(graph: &Graph, (y, x): (usize, usize)) -> bool {
    graph.nodes.iter().any(|node| node.y == y && (node.x - 1..node.x + node.width).contains(&x))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_calls_whatever_nothing_is_lost_or_mistaken(
        widths in proptest::collection::vec(1usize..14, 1..24),
        ends in proptest::collection::vec((0usize..24, 0usize..24), 0..60),
    ) {
        let edges: Vec<(usize, usize)> = ends.iter().map(|(a, b)| (a % widths.len(), b % widths.len())).collect();
        check(&widths, &edges);
    }
}
