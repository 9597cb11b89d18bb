//! Rights as extractors: a handler that takes one runs only if the client has the right.

use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use merchant_otp_application::{Error, Grant, ManagementGrant};
use merchant_otp_domain::{Operation, Permission};
use merchant_otp_taler_protocol::ADMIN;
use merchant_otp_transport_kit::Limits;
use zeroize::Zeroizing;

use crate::error::HttpError;
use crate::extract::body;
use crate::extract::path;
use crate::extract::presented::{note_instance, presented};
use crate::state::State;

/// A permission as a type, for the signatures of handlers.
pub(crate) trait RequiredPermission: 'static {
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($permission:ident)+) => {
        $(
            #[doc = concat!("[`Permission::", stringify!($permission), "`]")]
            pub(crate) struct $permission;

            impl RequiredPermission for $permission {
                const PERMISSION: Permission = Permission::$permission;
            }
        )+
    };
}

permissions! {
    InstancesAuthWrite InstancesRead InstancesWrite OtpDevicesRead OtpDevicesWrite TokensRead
    TokensWrite
}

/// A right that is looked up with what the client of a request presents.
pub(crate) trait Right: Sized + 'static {
    fn of(state: &State, request: &HttpRequest) -> impl Future<Output = Result<Self, HttpError>>;
}

/// A permission on the addressed instance, held by the instance itself, or below `/management` by
/// `admin`.
pub(crate) struct Authorized<P> {
    pub(crate) grant: Grant,
    permission: PhantomData<P>,
}

impl<P: RequiredPermission> Right for Authorized<P> {
    async fn of(state: &State, request: &HttpRequest) -> Result<Self, HttpError> {
        let presented = presented(state, request);
        let (granted_to, grant) = if path::is_management(request) {
            (ADMIN, state.service.authorize_manager(presented, P::PERMISSION).await)
        } else {
            (presented.instance, state.service.authorize(presented, P::PERMISSION).await)
        };
        let grant = note_instance(request, granted_to, grant)
            .map_err(HttpError::during_authorization(Operation::Use(P::PERMISSION), request))?;
        Ok(Self { grant, permission: PhantomData })
    }
}

/// A permission on all instances.
pub(crate) struct AuthorizedToManage<P> {
    pub(crate) grant: ManagementGrant,
    permission: PhantomData<P>,
}

impl<P: RequiredPermission> Right for AuthorizedToManage<P> {
    async fn of(state: &State, request: &HttpRequest) -> Result<Self, HttpError> {
        let presented = presented(state, request);
        let grant = state.service.authorize_management(presented, P::PERMISSION).await;
        let grant = note_instance(request, ADMIN, grant)
            .map_err(HttpError::during_authorization(Operation::Use(P::PERMISSION), request))?;
        Ok(Self { grant, permission: PhantomData })
    }
}

/// The permission to create instances, for the endpoint where backends with self-provisioning let
/// clients create their own.
pub(crate) struct AuthorizedToProvision {
    pub(crate) grant: ManagementGrant,
}

impl Right for AuthorizedToProvision {
    async fn of(state: &State, request: &HttpRequest) -> Result<Self, HttpError> {
        let right = AuthorizedToManage::<InstancesWrite>::of(state, request).await;
        let right = right.map_err(|error| match error {
            HttpError::UseCase {
                error: error @ (Error::Unauthorized(_) | Error::PermissionMissing(_)),
                ..
            } => HttpError::NoSelfProvisioning(error),
            error => error,
        });
        Ok(Self { grant: right?.grant })
    }
}

/// A right, and the body of the request.
///
/// The right is looked up before the body is read, so that a client without it cannot keep the
/// service reading. It is looked up again if the body arrived late, since it may have been revoked
/// in the meantime.
pub(crate) struct WithBody<R> {
    pub(crate) right: R,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl<R: Right> WithBody<R> {
    async fn of(request: &HttpRequest, payload: Payload) -> Result<Self, HttpError> {
        let state = State::of(request);
        let right = R::of(state, request).await?;
        let Limits { max_body_bytes, body_deadline, .. } = state.limits;
        let body = body::read(request, payload, max_body_bytes, body_deadline).await?;
        let right = if body.arrived_late { R::of(state, request).await? } else { right };
        Ok(Self { right, body: body.bytes })
    }
}

type BoxedFuture<T> = Pin<Box<dyn Future<Output = Result<T, HttpError>>>>;

impl<P: RequiredPermission> FromRequest for Authorized<P> {
    type Error = HttpError;
    type Future = BoxedFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(State::of(&request), &request).await })
    }
}

impl<P: RequiredPermission> FromRequest for AuthorizedToManage<P> {
    type Error = HttpError;
    type Future = BoxedFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(State::of(&request), &request).await })
    }
}

impl<R: Right> FromRequest for WithBody<R> {
    type Error = HttpError;
    type Future = BoxedFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Self::of(&request, payload).await })
    }
}
