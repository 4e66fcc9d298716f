"""What is given out of Pax8's objects.

What the service provider itself pays (partnerCost, cost, costTotal, partnerTotal, partnerBuyRate) is in none of them.
"""

from connectors.shapes import Field, Kind, Nested, Shape

OWNER = "companyId"

_ID = Field("id", required=True)
_COMPANY = Field("company_id", source=OWNER, required=True, description="The customer's id at the vendor.")
_CONTACT = Shape(
    "",
    (
        Field("first_name", source="firstName"),
        Field("last_name", source="lastName"),
        Field("email"),
        Field("phone"),
    ),
    (Nested("types", Shape("", (Field("type"), Field("primary", Kind.BOOLEAN))), many=True),),
)
COMPANY = Shape(
    OWNER,
    (
        _COMPANY,
        Field("name"),
        Field("status"),
        Field("external_id", source="externalId"),
        Field("phone"),
        Field("website"),
        Field("street", source="address.street"),
        Field("city", source="address.city"),
        Field("postal_code", source="address.postalCode"),
        Field("country", source="address.country"),
        Field("order_approval_required", Kind.BOOLEAN, source="orderApprovalRequired"),
        Field("self_service_allowed", Kind.BOOLEAN, source="selfServiceAllowed"),
    ),
    (Nested("contacts", _CONTACT, many=True, description="Personal data."),),
)
SUBSCRIPTION = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("product_id", source="productId"),
        Field("product_name", source="productName"),
        Field("quantity", Kind.NUMBER),
        Field("status"),
        Field("billing_term", source="billingTerm"),
        Field("price", Kind.NUMBER, description="Of one, for the customer."),
        Field("currency", source="currencyCode"),
        Field("start_date", source="startDate"),
        Field("end_date", source="endDate"),
        Field("billing_start", source="billingStart"),
        Field("created_date", source="createdDate"),
        Field("updated_date", source="updatedDate"),
        Field("commitment_term", source="commitmentTerm.term"),
        Field("commitment_end", source="commitmentTerm.endDate", description="Until then it cannot be made smaller."),
        Field("vendor_subscription_id", source="vendorSubscriptionId"),
        Field("parent_subscription_id", source="parentSubscriptionId"),
    ),
)
CANCELLED = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("product_name", source="productName"),
        Field("quantity", Kind.NUMBER),
        Field("cancel_date", source="cancelDate", description="As asked for; null: at once."),
    ),
)
ORDER = Shape(
    OWNER,
    (
        Field("id", description="None for an order that was only checked."),
        _COMPANY,
        Field("created_date", source="createdDate"),
        Field("ordered_by", source="orderedBy"),
        Field("scheduled", Kind.BOOLEAN, source="isScheduled"),
    ),
    (
        Nested(
            "line_items",
            Shape(
                "",
                (
                    Field("product_id", source="productId"),
                    Field("subscription_id", source="subscriptionId"),
                    Field("quantity", Kind.NUMBER),
                    Field("billing_term", source="billingTerm"),
                    Field("commitment_term_id", source="commitmentTermId"),
                    Field("provision_start_date", source="provisionStartDate"),
                ),
            ),
            source="lineItems",
            many=True,
        ),
    ),
)
INVOICE = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("invoice_date", source="invoiceDate"),
        Field("due_date", source="dueDate"),
        Field("status"),
        Field("total", Kind.NUMBER),
        Field("balance", Kind.NUMBER),
        Field("carried_balance", Kind.NUMBER, source="carriedBalance"),
        Field("currency", source="currencyCode"),
    ),
)
INVOICE_ITEM = Shape(
    OWNER,
    (
        Field("id"),
        _COMPANY,
        Field("type"),
        Field("product_id", source="productId"),
        Field("product_name", source="productName"),
        Field("sku"),
        Field("description", max_length=1000),
        Field("subscription_id", source="subscriptionId"),
        Field("start_period", source="startPeriod"),
        Field("end_period", source="endPeriod"),
        Field("quantity", Kind.NUMBER),
        Field("unit", source="unitOfMeasure"),
        Field("term"),
        Field("price", Kind.NUMBER, description="Of one, for the customer."),
        Field("sub_total", Kind.NUMBER, source="subTotal"),
        Field("total", Kind.NUMBER, description="For the customer, with all fees."),
        Field("currency", source="currencyCode"),
    ),
)
USAGE = Shape(
    OWNER,
    (
        _ID,
        _COMPANY,
        Field("product_id", source="productId"),
        Field("resource_group", source="resourceGroup"),
        Field("vendor_name", source="vendorName"),
        Field("current_charges", Kind.NUMBER, source="currentCharges", description="Of this month, for the customer."),
        Field("currency", source="currencyCode"),
        Field("trial", Kind.BOOLEAN, source="isTrial"),
    ),
)
PRICING = Shape(
    "productId",
    (
        Field("product_id", source="productId", required=True),
        Field("product_name", source="productName"),
        Field("billing_term", source="billingTerm"),
        Field("commitment_term", source="commitmentTerm"),
        Field("type"),
        Field("unit", source="unitOfMeasurement"),
    ),
    (
        Nested(
            "rates",
            Shape(
                "",
                (
                    Field("suggested_retail_price", Kind.NUMBER, source="suggestedRetailPrice"),
                    Field("from_quantity", Kind.NUMBER, source="startQuantityRange"),
                    Field("to_quantity", Kind.NUMBER, source="endQuantityRange"),
                    Field("charge_type", source="chargeType"),
                ),
            ),
            many=True,
        ),
    ),
)
