//! What a webhook can be registered for.

crate::open_enum! {
    /// An event that Vipps tells merchants of, by the name under which it is registered.
    ///
    /// New ones come without notice: a text that is not listed here is `Unknown` and is
    /// registered as it is.
    ///
    /// ```
    /// use vipps_types::EventType;
    ///
    /// assert_eq!(EventType::PaymentCaptured.as_str(), "epayments.payment.captured.v1");
    /// assert_eq!(EventType::from("epayments.payment.captured.v1"), EventType::PaymentCaptured);
    /// ```
    pub enum EventType {
        /// A payment was created.
        PaymentCreated = "epayments.payment.created.v1",
        /// The customer approved a payment.
        PaymentAuthorized = "epayments.payment.authorized.v1",
        /// The customer declined a payment.
        PaymentAborted = "epayments.payment.aborted.v1",
        /// The customer did nothing until the time of a payment was over.
        PaymentExpired = "epayments.payment.expired.v1",
        /// The merchant cancelled a payment before the customer approved it.
        PaymentTerminated = "epayments.payment.terminated.v1",
        /// A capture, whole or in part.
        PaymentCaptured = "epayments.payment.captured.v1",
        /// A refund, whole or in part.
        PaymentRefunded = "epayments.payment.refunded.v1",
        /// The merchant cancelled an approved payment, or the rest of one.
        PaymentCancelled = "epayments.payment.cancelled.v1",
        /// The customer accepted an agreement.
        AgreementActivated = "recurring.agreement-activated.v1",
        /// The customer rejected an agreement, which is then stopped.
        AgreementRejected = "recurring.agreement-rejected.v1",
        /// Somebody stopped an agreement; the event says who.
        AgreementStopped = "recurring.agreement-stopped.v1",
        /// An agreement was not accepted in time, or its first direct capture failed.
        AgreementExpired = "recurring.agreement-expired.v1",
        /// A charge with reserve capture was processed.
        ChargeReserved = "recurring.charge-reserved.v1",
        /// A charge with direct capture was processed, or a reserved one was captured.
        ChargeCaptured = "recurring.charge-captured.v1",
        /// A charge was cancelled; one `l` on the wire.
        ChargeCanceled = "recurring.charge-canceled.v1",
        /// A refund of a charge.
        ChargeRefunded = "recurring.charge-refunded.v1",
        /// A charge failed for good.
        ChargeFailed = "recurring.charge-failed.v1",
        /// A charge of a batch was refused after the batch was accepted.
        ChargeCreationFailed = "recurring.charge-creation-failed.v1",
        /// A customer scanned a merchant's QR code.
        UserCheckedIn = "user.checked-in.v1",
        /// A login that the merchant began was decided.
        LoginPing = "login.merchant-initiated.ping.v1",
        /// A donor started an agreement.
        DonationStarted = "donations.agreement.started.v1",
        /// A donor's agreement was stopped.
        DonationStopped = "donations.agreement.stopped.v1",
        /// A donor moved the day of the withdrawal.
        DonationDayChanged = "donations.agreement.withdrawal-day-changed.v1",
        /// A donor changed the amount.
        DonationAmountChanged = "donations.agreement.amount-changed.v1",
    }
}
