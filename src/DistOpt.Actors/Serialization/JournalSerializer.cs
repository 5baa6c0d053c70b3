using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;
using DistOpt.Core.Jobs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Protocol.Journal;

namespace DistOpt.Actors.Serialization;

/// <summary>Akka's side of <see cref="JournalCodec"/>: events of the job coordinator's journal and its snapshots, those of studies, and nothing else.</summary>
public sealed class JournalSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>Binds the serializer; every host with a journal includes it.</summary>
    public const string Hocon = """
        akka.actor {
          serializers.distopt-journal = "DistOpt.Actors.Serialization.JournalSerializer, DistOpt.Actors"
          serialization-bindings {
            "DistOpt.Core.Jobs.JobEvent, DistOpt.Core" = distopt-journal
            "DistOpt.Core.Studies.Engine.StudyEvent, DistOpt.Core" = distopt-journal
            "DistOpt.Protocol.Journal.JobLedgerSnapshot, DistOpt.Protocol" = distopt-journal
          }
          serialization-identifiers {
            "DistOpt.Actors.Serialization.JournalSerializer, DistOpt.Actors" = 1002
          }
        }
        """;

    public override int Identifier => 1002;

    public override string Manifest(object o) => o switch
    {
        JobEvent e => JournalCodec.Write(e).Manifest,
        StudyEvent e => StudyJournalCodec.Write(e).Manifest,
        JobLedgerSnapshot => JournalCodec.SnapshotManifest,
        _ => throw NoEvent(o),
    };

    public override byte[] ToBinary(object obj) => obj switch
    {
        JobEvent e => JournalCodec.Write(e).Body,
        StudyEvent e => StudyJournalCodec.Write(e).Body,
        JobLedgerSnapshot snapshot => JournalCodec.WriteSnapshot(snapshot),
        _ => throw NoEvent(obj),
    };

    public override object FromBinary(byte[] bytes, string manifest)
    {
        try
        {
            if (manifest.StartsWith("job-ledger.", StringComparison.Ordinal)) return JournalCodec.ReadSnapshot(manifest, bytes);
            return StudyJournalCodec.Manifests.Contains(manifest) ? StudyJournalCodec.Read(manifest, bytes) : JournalCodec.Read(manifest, bytes);
        }
        catch (JournalException e)
        {
            throw new SerializationException(e.Message, e);
        }
    }

    private static SerializationException NoEvent(object o) => new($"{o.GetType()} is no event of the journal");
}
