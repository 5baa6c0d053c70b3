namespace DistOpt.Hosting.Cluster;

/// <summary>Where the job coordinator is, as a coordinator node sees it now. Immutable.</summary>
/// <param name="IsHere">It runs on this node and knows its jobs.</param>
/// <param name="ApiUrl">HTTP API of the other node that holds it; null where it is here, nowhere, or not known yet.</param>
public sealed record CoordinatorPlace(bool IsHere, string? ApiUrl)
{
    public static readonly CoordinatorPlace Nowhere = new(false, null);
}
