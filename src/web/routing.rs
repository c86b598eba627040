//! Routes whose handlers stand behind a pointer.
//!
//! axum makes a stack of generic types for each handler, and the compiler asks of each of them again
//! whether the handler's future may be sent to another thread. For a handler that reaches deep into
//! the store the answer takes 20 ms, and it was asked for 2,000 times: a third of the time that this
//! crate took to compile. Behind a pointer all handlers are one type, and it is asked once for each.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{self, MethodRouter};

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler of any type, as one type. `S` is the state of the router.
pub(super) struct Erased<S>(Arc<dyn Fn(Request, S) -> Answering + Send + Sync>);

impl<S> Clone for Erased<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: 'static> Handler<(), S> for Erased<S> {
    type Future = Answering;

    fn call(self, request: Request, state: S) -> Self::Future {
        (self.0)(request, state)
    }
}

/// Puts a handler behind a pointer. `T` are the kinds of its arguments, which axum infers.
pub(super) fn erased<T, H, S>(handler: H) -> Erased<S>
where
    T: 'static,
    H: Handler<T, S>,
    S: 'static,
{
    Erased(Arc::new(move |request, state| Box::pin(handler.clone().call(request, state))))
}

/// [`routing::get`], with the handler behind a pointer.
pub(super) fn get<T, H, S>(handler: H) -> MethodRouter<S>
where
    T: 'static,
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    routing::get(erased(handler))
}

/// [`routing::post`], with the handler behind a pointer.
pub(super) fn post<T, H, S>(handler: H) -> MethodRouter<S>
where
    T: 'static,
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    routing::post(erased(handler))
}

/// [`utoipa_axum::routes`], with the handlers behind pointers: the routes of one path, each with its
/// operation in the OpenAPI document.
macro_rules! routes {
    ($($handler:path),+ $(,)?) => {{
        use utoipa_axum::PathItemExt as _;
        let mut paths = utoipa::openapi::path::Paths::new();
        let mut schemas = Vec::new();
        let mut router = axum::routing::MethodRouter::new();
        $(
            let (path, operation, methods) = utoipa_axum::routes!(@resolve_types $handler : schemas);
            for method in &methods {
                router = router.on(method.to_method_filter(), $crate::web::routing::erased($handler));
            }
            paths.add_path_operation(&path, methods, operation);
        )+
        (schemas, paths, router)
    }};
}
pub(super) use routes;
