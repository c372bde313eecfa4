use super::world::World;
use axum::Router;
use std::sync::Arc;
pub(super) fn router(_world: Arc<World>) -> Router {
    Router::new()
}
