namespace DistOpt.Protocol;

/// <summary>Marks what may cross a process border. Every implementation stands in <see cref="WireManifests"/>; nothing else is read or written.</summary>
public interface IWireMessage;

/// <summary>What only a job's coordinator says: a node that follows another coordinator by now does not listen.</summary>
public interface ICoordinatorMessage : IWireMessage;
