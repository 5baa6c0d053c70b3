using System.Text.Json.Nodes;

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>What a study has written to its directory.</summary>
internal static class StudyFolder
{
    /// <summary>Its trials in the order in which they ended.</summary>
    public static List<JsonNode> Lines(string study) => [.. File.ReadAllLines(Path.Combine(study, "trials.jsonl")).Select(l => JsonNode.Parse(l)!)];

    /// <summary>What has become of each trial, by number, without what differs from run to run.</summary>
    public static List<string> Trials(string study) => [.. Lines(study).OrderBy(t => t["number"]!.GetValue<int>()).Select(t =>
    {
        foreach (string field in (string[])["attempts", "seconds", "lost", "spans", "started", "ended", "node"]) t.AsObject().Remove(field);
        return t.ToJsonString();
    })];
}
